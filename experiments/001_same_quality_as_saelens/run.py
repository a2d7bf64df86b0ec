"""Experiment 001: does SAELens's own trainer reach a better TopK dictionary on the same vectors in the same order?"""

import json
import sys
import time
from pathlib import Path

import yaml

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from theirs import train_theirs  # noqa: E402

import mechlab  # noqa: E402
from mechlab.core.progress import SILENT  # noqa: E402
from mechlab.verbs.steps.fitting import dictionary_config, new_stream, training_config  # noqa: E402
from mechlab.verbs.steps.opening import held_out_rows, open_subject, training_rows  # noqa: E402
from mechlab.verbs.train_options import TrainOptions  # noqa: E402

NUMBERS = ("explained_variance", "ce_loss_recovered", "delta_ce_nats", "l0", "dead_share")


def main() -> None:
    """Train both on every seed, judge both with the same code on the same held-out rows, write result.json."""
    settings = yaml.safe_load((HERE / "config.yaml").read_text())
    seeds, k = settings.pop("seeds"), settings.pop("k")
    results = [one_seed(TrainOptions(**settings, dictionary={"k": k}, seed=seed)) for seed in seeds]
    gaps = [
        run["saelens"]["explained_variance"]["value"] - run["mechlab"]["explained_variance"]["value"] for run in results
    ]
    result = {"config": settings | {"k": k}, "runs": results, "saelens_minus_mechlab_explained_variance": gaps}
    (HERE / "result.json").write_text(json.dumps(result, indent=1) + "\n")


def one_seed(options: TrainOptions) -> dict:
    """Return the judgement of both trainers' dictionaries, and the CPU seconds each training took."""
    subject = open_subject(options)
    rows, held_out = training_rows(subject, SILENT), held_out_rows(subject, SILENT)
    training = training_config(options)

    def judged(train, name: str) -> dict:
        stream = new_stream(options, subject, rows)
        started = time.process_time()
        dictionary = train(stream)
        cpu_s = round(time.process_time() - started, 1)
        found = mechlab.evaluate(subject.model, dictionary, held_out, subject.site).estimates
        print(options.seed, name, cpu_s, found["explained_variance"], flush=True)
        return {"cpu_seconds": cpu_s, **{name: found[name].model_dump() for name in NUMBERS}}

    def ours(stream):
        dictionary = mechlab.TopKDictionary(dictionary_config(options, stream.d_in), seed=options.seed)
        mechlab.fit(dictionary, stream, training)
        return dictionary.eval()

    return {
        "seed": options.seed,
        "mechlab": judged(ours, "mechlab"),
        "saelens": judged(lambda stream: train_theirs(stream, options, training), "saelens"),
        "saelens_defaults": judged(lambda stream: train_theirs(stream, options, None), "saelens_defaults"),
    }


if __name__ == "__main__":
    main()
