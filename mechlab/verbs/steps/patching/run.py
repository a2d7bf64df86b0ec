"""A patched task as a run.

1. Load the model and draw the prompts; refuse what does not fit, before anything is written.
2. A run that is already there is returned as it is.
3. Score the parts on one half of the prompts.
4. Run circuits of the best, and of random ones, on the other half.
5. Write the table of scores and the curves; the run gets its name when all are on the disk.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from mechlab.circuits.effects import passes
from mechlab.circuits.outcomes import position_of
from mechlab.circuits.patching.faithfulness import (
    SHARES,
    FaithfulnessCurve,
    cmd,
    cpr,
    faithfulness,
    faithfulness_curve,
)
from mechlab.core.config import canonical_json
from mechlab.core.estimate import Estimate
from mechlab.core.progress import Progress
from mechlab.core.runtime import use_threads
from mechlab.corpora.tasks.pairs import PromptPairs
from mechlab.corpora.tasks.prompting import prompt_pairs
from mechlab.interventions.wiring import wiring_of
from mechlab.metrics.bootstrap import estimate, mean_estimate
from mechlab.models import MODELS
from mechlab.models.language_model import LanguageModel
from mechlab.models.loaders import is_on_disk, load
from mechlab.store.manifest import Identity, Metric, ModelRecord
from mechlab.store.run import Run, finished_run, open_run
from mechlab.store.writer import RunWriter
from mechlab.verbs.patch_options import PatchOptions
from mechlab.verbs.steps.patching.scoring import OUTCOMES, Scored, check_asked, scored

SCORES_NAME = "scores.arrow"
CURVES_NAME = "faithfulness.json"
UNITS = {"logit_difference": "nats", "probability_difference": ""}


def patch_run(config: PatchOptions, progress: Progress) -> Run:
    """Return the finished run; made now, or found where it was made before.

    Raises:
        UsageError: the task, method or model is unknown, the model has no tokenizer, the task has too few prompts, or
            the output folder is taken.
    """
    check_asked(config)
    model = load(config.model, device=config.device)
    use_threads(config.threads, model.spec.n_params)
    chosen_on, judged_on = halves(asked(config, model), config.seed)
    for role in config.at:
        position_of(chosen_on[0], role)
    identity = identity_of(config, model)
    out = config.out or Path("runs") / f"patch-{config.task}-{Path(model.name).name}-{identity.run_id()[:8]}"
    done = finished_run(out, identity)
    if done is not None:
        progress.note(f"this run is already there: {out}")
        return done
    found = scored(config, model, chosen_on, progress)
    with RunWriter(out, identity) as writer:
        writer.write_table(SCORES_NAME, found.columns())
        measured = _ends(config, model, judged_on)
        if found.ranking is not None:
            curves = _curves(config, model, judged_on, found, progress)
            writer.write_text(CURVES_NAME, canonical_json(_plain(model, found, curves)) + "\n")
            measured |= areas(curves[0], curves[1:])
        counts = {"n_scored_on": sum(map(len, chosen_on)), "n_judged_on": sum(map(len, judged_on))}
        writer.finish({**counts, "n_parts": len(found.names), **measured})
    return open_run(out)


def asked(config: PatchOptions, model: LanguageModel) -> tuple[PromptPairs, ...]:
    """Return the prompts.

    Raises:
        UsageError: the task is unknown, the model has no tokenizer, a setting is not the task's, or the task has fewer
            different prompts than asked.
    """
    style = config.style or ("tales" if config.model in MODELS else "plain")
    own = {} if config.corruption is None else {"corruption": config.corruption}
    return prompt_pairs(model.tokenizer, config.task, n=config.prompts, seed=config.seed, style=style, **own)


def halves(batches: Sequence[PromptPairs], seed: int) -> tuple[list[PromptPairs], list[PromptPairs]]:
    """Return the prompts to choose on and those to judge on, half of each batch; a single one is judged on."""
    cut = [pairs.halves(seed) for pairs in batches if len(pairs) > 1]
    single = [pairs for pairs in batches if len(pairs) == 1]
    return [one for one, _ in cut] or single, [other for _, other in cut] + single


def identity_of(config: PatchOptions, model: LanguageModel) -> Identity:
    """Return what determines the run: the model, the prompts, and how parts are scored and chosen."""
    known = {"fingerprint": model.fingerprint, "processing": tuple(model.processing)}
    settings = config.model_dump(mode="json", exclude={"model", "top", "seed", "out", "device", "threads"})
    return Identity(
        kind="patch",
        config=settings | {"style": config.style or ("tales" if config.model in MODELS else "plain")},
        seed=config.seed,
        model=ModelRecord(name=config.model, at_path=is_on_disk(config.model), **known),
    )


def areas(curve: FaithfulnessCurve, drawn: Sequence[FaithfulnessCurve]) -> dict[str, Metric]:
    """Return CPR and CMD with intervals over prompts, and their means over random rankings."""
    n, sums = curve.outcomes.shape[1], curve.outcomes.T.contiguous()
    return {
        "cpr": estimate(sums, lambda totals: cpr(faithfulness(totals / n), curve.shares)),
        "cmd": estimate(sums, lambda totals: cmd(faithfulness(totals / n), curve.shares)),
        "random_cpr": float(torch.tensor([one.cpr for one in drawn]).mean()),
        "random_cmd": float(torch.tensor([one.cmd for one in drawn]).mean()),
    }


def _curves(
    config: PatchOptions, model: LanguageModel, batches: Sequence[PromptPairs], found: Scored, progress: Progress
) -> list[FaithfulnessCurve]:
    """Return the curve of the ranking, then those of random ones."""
    wiring, outcome = wiring_of(model), OUTCOMES[config.outcome]
    rankings = [None, *range(config.draws)]
    return [
        faithfulness_curve(model, batches, found.circuits(wiring, config, drawn), outcome, SHARES, progress)
        for drawn in rankings
    ]


def _plain(model: LanguageModel, found: Scored, curves: Sequence[FaithfulnessCurve]) -> dict[str, Any]:
    rows = [curve.faithfulness.tolist() for curve in curves]
    return {"of": found.of, "shares": SHARES, "sizes": found.sizes(wiring_of(model)), "f": rows[0], "random": rows[1:]}


@torch.no_grad()
def _ends(config: PatchOptions, model: LanguageModel, batches: Sequence[PromptPairs]) -> dict[str, Estimate | None]:
    """Return the mean outcome of clean and of corrupted prompts, for the clean answers."""
    outcome, found = OUTCOMES[config.outcome], {"clean": list[torch.Tensor](), "corrupted": list[torch.Tensor]()}
    for pairs in passes(batches, 128):
        for name, tokens in (("clean", pairs.clean), ("corrupted", pairs.corrupted)):
            found[name].append(outcome.of(model.logits(tokens.to(model.device))[:, -1], {}, pairs).double().cpu())
    return {
        f"{config.outcome}_{name}": mean_estimate(torch.cat(values), unit=UNITS[config.outcome])
        for name, values in found.items()
    }
