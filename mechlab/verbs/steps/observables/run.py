"""An observable as a run.

1. Load the model, make the observable of words and draw the prompts; refuse what does not fit, before anything is
   written.
2. A run that is already there is returned as it is.
3. Hand the observable back to every head, and say which tokens' embeddings each reads it from.
4. With a task, say what heads do in its prompts, how well the lengths told that, and which paths bring most.
5. Write the tables; the run gets its name when all are on the disk.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Float64
from torch import Tensor

from mechlab.circuits.observables.observable import Observable
from mechlab.circuits.observables.pull_back import head_lengths
from mechlab.circuits.observables.pulling import NormRules
from mechlab.circuits.observables.token_reads import token_reads
from mechlab.core.config import canonical_json
from mechlab.core.progress import Progress
from mechlab.core.runtime import use_threads
from mechlab.models.language_model import LanguageModel
from mechlab.models.loaders import is_on_disk, load
from mechlab.store.manifest import Identity, Metric, ModelRecord
from mechlab.store.run import HEADS_NAME, Run, finished_run, open_run
from mechlab.store.writer import RunWriter
from mechlab.verbs.observe_options import ObserveOptions
from mechlab.verbs.steps.observables.judging import asked_prompts, judged, style_of
from mechlab.verbs.steps.observables.paths import stored_paths
from mechlab.verbs.steps.observables.words import typed_observable

READS_NAME = "reads.arrow"
PATHS_NAME = "paths.json"
OF_TASK = {"task", "prompts", "corruption", "effect", "draws", "paths", "beam", "complete"}
N_TOKENS = 20


def observe_run(config: ObserveOptions, progress: Progress) -> Run:
    """Return the finished run; made now, or found where it was made before.

    Raises:
        UsageError: a word is not one token, the task or model is unknown, the model has no tokenizer or writes through
            norms, the task has too few prompts, or the output folder is taken.
    """
    model = load(config.model, device=config.device)
    use_threads(config.threads, model.spec.n_params)
    observable = typed_observable(model, config.words, config.against, regex=config.regex, combine=config.combine)
    batches = asked_prompts(config, model)
    identity = identity_of(config, model, observable)
    out = config.out or Path("runs") / f"observe-{Path(model.name).name}-{identity.run_id()[:8]}"
    done = finished_run(out, identity)
    if done is not None:
        progress.note(f"this run is already there: {out}")
        return done
    lengths = head_lengths(model, observable, NormRules.all(config.norms)).double().cpu().flatten()
    columns, metrics = _heads(model, lengths), dict[str, Metric](n_heads=len(lengths))
    with RunWriter(out, identity) as writer:
        writer.write_table(READS_NAME, read_columns(config, model, observable))
        if batches:
            found = judged(config, model, observable, lengths, batches)
            columns, metrics = {**columns, **found.columns()}, {**metrics, **found.metrics}
            paths = stored_paths(config, model, observable, batches)
            writer.write_text(PATHS_NAME, canonical_json(paths) + "\n")
        writer.write_table(HEADS_NAME, columns)
        writer.finish(metrics)
    return open_run(out)


def identity_of(config: ObserveOptions, model: LanguageModel, observable: Observable) -> Identity:
    """Return what determines the run: the model, the observable's tokens, and of which prompts it is asked."""
    known = {"fingerprint": model.fingerprint, "processing": tuple(model.processing)}
    asked = {} if config.task is None else config.model_dump(mode="json", include=OF_TASK) | {"style": style_of(config)}
    told = {"observable": observable.name, "tokens": observable.tokens, "weights": observable.weights}
    return Identity(
        kind="observe",
        config={**told, "norms": config.norms, **asked},
        seed=0 if config.task is None else config.seed,
        model=ModelRecord(name=config.model, at_path=is_on_disk(config.model), **known),
    )


def read_columns(
    config: ObserveOptions, model: LanguageModel, observable: Observable
) -> dict[str, Tensor | Sequence[str]]:
    """Return, of every head, the tokens that it reads the observable from most, then those it reads it from least."""
    assert model.tokenizer is not None
    rows = list[tuple[int, int, int, float]]()
    for layer in range(model.spec.n_layers):
        for head, scores in enumerate(token_reads(model, observable, layer, config.norms).double().cpu()):
            order = scores.argsort(descending=True, stable=True)
            n = min(N_TOKENS, len(order) // 2)
            picked = [*order[:n].tolist(), *order[len(order) - n :].flip(0).tolist()]
            rows += [(layer, head, token, float(scores[token])) for token in picked]
    layers, heads, tokens, values = zip(*rows, strict=True)
    return {
        "layer": torch.tensor(layers),
        "head": torch.tensor(heads),
        "token": torch.tensor(tokens),
        "text": [model.tokenizer.token_string(token) for token in tokens],
        "score": torch.tensor(values, dtype=torch.float64),
    }


def _heads(model: LanguageModel, lengths: Float64[Tensor, "n_heads_in_all"]) -> dict[str, Tensor]:
    numbers = torch.arange(len(lengths))
    n_heads = model.spec.n_heads
    return {"layer": numbers // n_heads, "head": numbers % n_heads, "length": lengths}
