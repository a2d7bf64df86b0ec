"""Experiment 007: what do codes cost a model of stories, do they mean what stories are about, and do they steer it?"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
import yaml

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from months import of_months  # noqa: E402
from pushing import steered  # noqa: E402
from rivals import features_of, trained_sae, vectors_at  # noqa: E402
from told import Halves, neurons_of, told  # noqa: E402

import mechlab  # noqa: E402
from mechlab.core.config import build  # noqa: E402
from mechlab.core.progress import SILENT  # noqa: E402
from mechlab.verbs.codebook_options import CodebookOptions  # noqa: E402
from mechlab.verbs.steps.codebook_run import codebook_run, open_codebook_subject  # noqa: E402
from mechlab.verbs.steps.opening import held_out_rows, training_rows  # noqa: E402


def main() -> None:
    """Train, judge and steer with every seed, or those named, and write what is found into result.json."""
    torch.set_num_threads(1)
    settings, path = yaml.safe_load((HERE / "config.yaml").read_text()), HERE / "result.json"
    for seed in [int(word) for word in sys.argv[1:]] or settings["seeds"]:
        known = found_before(path, settings)["seeds"].get(str(seed), {})
        for part, rows in parts_of(settings, seed, known.get("steered", {})):
            found = found_before(path, settings)
            found["seeds"].setdefault(str(seed), {})[part] = rows
            path.write_text(json.dumps(found, indent=1) + "\n")
            print(seed, part, json.dumps(rows)[-2000:], flush=True)


def found_before(path: Path, settings: dict[str, Any]) -> dict[str, Any]:
    """Return what is known of every seed; nothing where the settings were others."""
    found = json.loads(path.read_text()) if path.exists() else {}
    return {"config": settings, "seeds": found["seeds"] if found.get("config") == settings else {}}


def parts_of(settings: dict[str, Any], seed: int, steered_before: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield each part's name and what was found; topics are steered one by one, those that were steered before left."""
    options = build(
        CodebookOptions,
        {
            **settings["train"],
            "seed": seed,
            "control": seed == settings["control_of_seed"],
            "out": HERE / "runs" / f"seed-{seed}",
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


if __name__ == "__main__":
    main()
