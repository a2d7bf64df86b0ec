"""A comparison of steered texts as a run.

1. A run that is already there is returned as it is.
2. Each prompt goes on by equal draws: as it is, steered, and with a random direction of the same size.
3. With a concept, every way climbs its strengths on some texts and is told on others, with what it costs elsewhere.
4. Write the spec, its vectors, the texts, what was measured, and the page; the run gets its name when all are there.
"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mechlab.core.progress import Progress
from mechlab.interventions.steering.generated_pair import generate_pair
from mechlab.interventions.steering.steer_by import steer_by
from mechlab.metrics.concepts import Concept, as_concept
from mechlab.metrics.dose_response import Writing
from mechlab.metrics.judged import Judged
from mechlab.metrics.steering_race import Outcome, Terms, race
from mechlab.models.fingerprint import digest_of_tensors
from mechlab.models.loaders import is_on_disk
from mechlab.store.answers_file import write_answers
from mechlab.store.manifest import Identity, Metric, ModelRecord
from mechlab.store.run import REPORT_NAME, STEERED_NAME, Run, finished_run, open_run
from mechlab.store.writer import RunWriter
from mechlab.verbs.steer_options import SteerOptions
from mechlab.verbs.steps.directions.stored import save_directions
from mechlab.verbs.steps.steering.judges import open_judged
from mechlab.verbs.steps.steering.page import steering_page
from mechlab.verbs.steps.steering.stream import continued
from mechlab.verbs.steps.steering.subject import Steered
from mechlab.verbs.steps.steering.ways import drawn_directions, ways_of
from mechlab.views.steering_data import SampleRow

SPEC_NAME, VECTORS_NAME = "spec.json", "spec.safetensors"
DOSES_NAME, ANSWERS_NAME = "doses.json", "answers.json"
SHOWN = (
    "compare",
    "concept",
    "judge",
    "also",
    "say",
    "ladder",
    "texts",
    "most_increase",
    "tokens",
    "temperature",
    "prompt",
)
N_NEUTRAL_ROWS = 64


def steer_run(config: SteerOptions, steered: Steered, progress: Progress) -> Run:
    """Return the finished run; made now, or found where it was made before.

    Raises:
        UsageError: the concept does not compile, a judge does not answer, or the output folder is taken.
    """
    identity = identity_of(config, steered)
    out = config.out or Path("runs") / f"steer-{Path(steered.model.name).name}-{identity.run_id()[:8]}"
    done = finished_run(out, identity)
    if done is not None:
        progress.note(f"this run is already there: {out}")
        return done
    with RunWriter(out, identity) as writer:
        samples = samples_of(config, steered)
        concept = concept_of(config)
        outcomes = () if concept is None else raced(config, steered, concept, progress)
        writer.write_text(SPEC_NAME, steered.spec.to_json())
        if steered.directions:
            save_directions(writer.folder / VECTORS_NAME, steered.model, steered.directions)
        writer.write_text(STEERED_NAME, _json({"samples": [one.model_dump() for one in samples]}))
        if isinstance(concept, Judged):
            write_answers(writer.folder / ANSWERS_NAME, concept.answers)
        if outcomes:
            writer.write_text(DOSES_NAME, _json({"ways": [asdict(one) for one in outcomes]}))
        writer.write_text(REPORT_NAME, steering_page(config, steered, identity.run_id(), samples, outcomes))
        writer.finish({"n_samples": len(samples), **metrics_of(outcomes)})
    return open_run(out)


def identity_of(config: SteerOptions, steered: Steered) -> Identity:
    """Return what determines the run: the model, what steers it, the prompts, and what is compared."""
    model = steered.model
    tensors = {f"vector.{one.name}": one.vector for one in steered.directions}
    for name, dictionary in steered.dictionaries.items():
        tensors |= {f"{name}.{key}": value for key, value in dictionary.state_dict().items()}
    known = {"fingerprint": model.fingerprint, "processing": tuple(model.processing)}
    return Identity(
        kind="steer",
        config={
            **config.model_dump(mode="json", include=set(SHOWN)),
            "spec": steered.spec.model_dump(mode="json"),
            "vectors": digest_of_tensors(tensors),
            "text": None if steered.text is None else steered.text.fingerprint,
        },
        seed=config.seed,
        model=ModelRecord(name=config.model, at_path=is_on_disk(config.model), **known),
    )


def samples_of(config: SteerOptions, steered: Steered) -> tuple[SampleRow, ...]:
    """Return each prompt's texts."""
    drawn = drawn_directions(steered, config.seed)
    rows = []
    for prompt in (config.prompt, *config.also):
        tokens = steered.model.to_tokens(prompt)
        drawing = {"temperature": config.temperature, "seed": config.seed}
        edit = steer_by(steered.model, steered.spec, steered.sources)
        pair = generate_pair(steered.model, tokens, config.tokens, edit, **drawing)
        control = None
        if drawn is not None:
            edit = steer_by(steered.model, *drawn)
            control = generate_pair(steered.model, tokens, config.tokens, edit, **drawing).steered
        given = (pair.base, pair.steered, control)
        before, after, other = (
            "" if one is None else continued(steered.model, one[0], tokens.shape[1]) for one in given
        )
        rows.append(SampleRow(prompt=prompt, before=before, after=after, control=other))
    return tuple(rows)


def concept_of(config: SteerOptions) -> Concept | None:
    """Return what texts are looked through for; None where nothing is.

    Raises:
        UsageError: the concept is no pattern, or the judge is unknown.
        ArtifactError: the judge's file is damaged.
    """
    if config.concept is None:
        return None
    return as_concept(config.concept) if config.judge is None else open_judged(config.concept, config.judge)


def raced(config: SteerOptions, steered: Steered, concept: Concept, progress: Progress) -> tuple[Outcome, ...]:
    """Return how the spec and its rivals did on the concept.

    Raises:
        UsageError: a judge does not answer.
    """
    prompts = (config.prompt, *config.also)
    writing = Writing(prompts, config.texts, config.tokens, max(config.temperature, 1e-3), config.seed)
    neutral = None if steered.text is None else steered.text.select(slice(0, N_NEUTRAL_ROWS))
    terms = Terms(most_increase=config.most_increase, neutral=neutral)
    ways = ways_of(steered, config.ladder, config.say, config.seed)
    return race(steered.model, ways, concept, writing, terms, progress)


def metrics_of(outcomes: tuple[Outcome, ...]) -> dict[str, Metric]:
    """Return, by way, the strength taken, the concept on fresh texts, and what a token of them costs more."""
    if not outcomes:
        return {}
    found: dict[str, Metric] = {"concept.as_it_is": outcomes[0].own.text.concept}
    for one in outcomes:
        name = one.way.replace(" ", "_")
        found |= {f"concept.{name}": one.fresh.text.concept, f"nll_increase.{name}": one.fresh.nll_increase}
        found |= {f"strength.{name}": one.taken}
    return found


def _json(value: dict[str, Any]) -> str:
    """Return JSON in which estimates are mappings."""
    return json.dumps(value, indent=1, default=lambda one: one.model_dump()) + "\n"
