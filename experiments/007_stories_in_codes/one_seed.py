"""All that is found with one seed, part by part: what codes cost, what they tell, why not months, what they steer."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from months import of_months
from pushing import steered
from rivals import features_of, trained_sae, vectors_at
from told import Halves, neurons_of, told

import mechlab
from mechlab.core.config import build
from mechlab.core.progress import SILENT
from mechlab.verbs.codebook_options import CodebookOptions
from mechlab.verbs.steps.codebooks.run import codebook_run, open_codebook_subject
from mechlab.verbs.steps.opening import held_out_rows, training_rows


def parts_of(
    settings: dict[str, Any], seed: int, runs: Path, steered_before: dict[str, Any]
) -> Iterator[tuple[str, Any]]:
    """Yield each part's name and what was found; topics are steered one by one, and those steered before are left.

    Args:
        settings: of the experiment.
        seed: of text, training and texts written.
        runs: where the trained model is put, or found.
        steered_before: what is known of topics that were steered.
    """
    options = build(
        CodebookOptions,
        {
            **settings["train"],
            "seed": seed,
            "control": seed == settings["control_of_seed"],
            "out": runs / f"seed-{seed}",
            "resume": True,
        },
    )
    run = codebook_run(options, SILENT)
    yield "metrics", run.manifest.model_dump(mode="json")["metrics"]
    model, subject = mechlab.open_codebook_model(run.folder, device="cpu"), open_codebook_subject(options)
    halves = Halves(model, held_out_rows(subject, SILENT))
    judge, texts = subject.model, training_rows(subject, SILENT)
    sae = trained_sae(judge, texts, settings["sae"], seed)
    features = [features_of(sae, vectors_at(judge, rows, settings["sae"]["site"])) for rows in halves.rows]
    rivals = {"neuron": neurons_of(judge, halves.rows[1]), "feature": features[1]}
    yield "told", list(told(halves, judge, rivals))
    yield "months", of_months(halves, judge, open_codebook_subject(options).model, texts, seed)
    ways = {name: ways for name, ways in steered_before.items() if name in settings["steered"]}
    for name in settings["steered"]:
        if name not in ways:
            ways[name] = steered(name, halves, (model, judge), (sae, features[0]), settings, seed)
            yield "steered", ways
