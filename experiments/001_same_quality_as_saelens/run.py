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
from mechlab.verbs.steps.opening import held_out_rows, open_subject, training_rows  # noqa: E402
from mechlab.verbs.steps.training.fitting import dictionary_config, new_stream, training_config  # noqa: E402
from mechlab.verbs.train_options import TrainOptions  # noqa: E402

SCORE = "explained_variance"
NUMBERS = (SCORE, "ce_loss_recovered", "delta_ce_nats", "l0", "dead_share")


def main() -> None:
    """Train both on every seed, judge both with the same code on the same held-out rows, write result.json."""
    settings = yaml.safe_load((HERE / "config.yaml").read_text())
    seeds, k = settings.pop("seeds"), settings.pop("k")
    runs = [one_seed(TrainOptions(**settings, dictionary={"k": k}, seed=seed)) for seed in seeds]
    gaps = [run["saelens"][SCORE]["value"] - run["mechlab"][SCORE]["value"] for run in runs]
    result = {"config": settings | {"k": k}, "runs": runs, f"saelens_minus_mechlab_{SCORE}": gaps}
    (HERE / "result.json").write_text(json.dumps(result, indent=1) + "\n")


def one_seed(options: TrainOptions) -> dict:
    """Return the judgement of the trainers' dictionaries, and each one's CPU seconds, the model's included."""
    subject = open_subject(options)
    rows, held_out = training_rows(subject, SILENT), held_out_rows(subject, SILENT)
    trainers = {"mechlab": train_ours, "saelens": lambda *given: train_theirs(*given, training_config(options))}
    if options.seed == 0:
        trainers["saelens_defaults"] = lambda *given: train_theirs(*given, None)
    result = {"seed": options.seed}
    for name, train in trainers.items():
        started = time.process_time()
        dictionary = train(new_stream(options, subject, rows), options)
        cpu_s = round(time.process_time() - started, 1)
        found = mechlab.evaluate(subject.model, dictionary, held_out, subject.route).estimates
        print(options.seed, name, cpu_s, found[SCORE], flush=True)
        result[name] = {"cpu_seconds": cpu_s, **{number: found[number].model_dump() for number in NUMBERS}}
    return result


def train_ours(stream: mechlab.ActivationStream, options: TrainOptions) -> mechlab.TopKDictionary:
    """Return mechlab's dictionary."""
    dictionary = mechlab.TopKDictionary(dictionary_config(options, stream.widths_in), seed=options.seed)
    mechlab.fit(dictionary, stream, training_config(options))
    return dictionary.eval()


if __name__ == "__main__":
    main()
