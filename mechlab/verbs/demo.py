"""`mechlab demo`: the main job on the built-in model, small enough for two cores and three minutes."""

from pathlib import Path

from pydantic import Field, NonNegativeInt

from mechlab.core.config import Config as BaseConfig
from mechlab.core.config import build
from mechlab.core.progress import Progress
from mechlab.verbs.outcome import Outcome, Verb
from mechlab.verbs.train_options import TrainOptions


class Config(BaseConfig):
    """Where the demonstration goes."""

    out: Path = Field(Path("runs/demo"), description="Folder of the run.")
    seed: NonNegativeInt = Field(0, description="Seed of every draw.")
    device: str = Field("auto", description="auto, cpu, cuda or mps.")
    dry_run: bool = Field(False, description="Only say what it would cost: tokens, memory, disk, time.")


def run(config: Config, progress: Progress) -> Outcome:
    """Train, judge, look at and steer with a sparse autoencoder of the built-in model; takes a few minutes."""
    from mechlab.verbs.steps.opening import open_subject
    from mechlab.verbs.steps.summary import run_summary
    from mechlab.verbs.steps.training.planning import plan
    from mechlab.verbs.steps.training.run import train_run
    from mechlab.verbs.steps.training.samples import SAMPLES_NAME, sample_lines

    options = _options(config)
    if config.dry_run:
        return plan(options, open_subject(options))
    made = train_run(options, progress)
    data, table = run_summary(made)
    return Outcome(data, (table,), (*sample_lines(made.file(SAMPLES_NAME).read_text()), *_next_steps(made.folder)))


VERB = Verb(Config, run)


def _options(config: Config) -> TrainOptions:
    preset = {
        "kind": "topk",
        "model": "tales",
        "site": "resid_post.2",
        "features": 1024,
        "dictionary": {"k": 16},
        "tokens": 1_000_000,
        "eval_tokens": 60_000,
        "batch_size": 2048,
        "lr": 3e-3,
        "seed": config.seed,
        "device": config.device,
        "out": config.out,
        "resume": True,
    }
    return build(TrainOptions, preset)


def _next_steps(folder: Path) -> tuple[str, ...]:
    return (
        f"The page: {folder / 'report.html'} (opens from disk)",
        "",
        "What to try next:",
        f"  mechlab show {folder}",
        f"  mechlab runs verify {folder}",
        "  mechlab train topk --model tales --site mlp_out.1 --features 2048 --k 8 --dry-run",
        "  mechlab train --help",
    )
