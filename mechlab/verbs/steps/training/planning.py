"""What a training run would cost: counted where it can be counted, timed on this machine where it cannot."""

import time

import torch
from torch import Tensor

from mechlab.activations.capture import activations_at
from mechlab.core.randomness import torch_generator
from mechlab.dictionaries import KINDS
from mechlab.dictionaries.dictionary import Dictionary
from mechlab.training.config import TrainConfig
from mechlab.training.footprint import footprint
from mechlab.training.loop import fit
from mechlab.training.source import TensorSource
from mechlab.verbs.outcome import Outcome
from mechlab.verbs.steps.opening import Subject
from mechlab.verbs.steps.training.fitting import dictionary_config, training_config
from mechlab.verbs.train_options import TrainOptions
from mechlab.views.numbers import duration, number
from mechlab.views.table import Table

N_ROWS_TIMED, N_STEPS_TIMED, KEPT_CHECKPOINTS = 32, 3, 2
PASSES_SHARED = 3  # clean, zeros and mean, whatever the number of dictionaries
DICTIONARIES_JUDGED = 2  # each and an untrained one
CAPTURES_JUDGING = 4  # the mean activation, known causes, the survey of features, their contexts


def plan(options: TrainOptions, subject: Subject) -> Outcome:
    """Return tokens, steps, memory, disk and time of a run that is not made; nothing is written."""
    rows = torch.zeros(N_ROWS_TIMED, options.row_length, dtype=torch.long)
    capture_s, activations = timed_capture(subject, rows)
    kind, own, training = KINDS[options.kind], dictionary_config(options, *subject.widths), training_config(options)
    dictionary = kind(own, seed=options.seed).to(subject.model.device)
    step_s = seconds_per_step(dictionary, activations, training)
    takes = footprint(kind, own, training)
    pool_bytes = 4 * sum(map(sum, subject.widths)) * (max(options.pool, training.batch_size) + rows.numel())
    numbers = {
        "n_tokens": options.tokens,
        "n_steps": takes.n_steps,
        "n_parameters": own.n_parameters,
        "memory_bytes": takes.memory
        + pool_bytes
        + 4 * subject.model.spec.n_params
        + 4 * (options.tokens + options.eval_tokens),
        "disk_bytes": takes.dictionary + KEPT_CHECKPOINTS * (takes.checkpoint + pool_bytes),
        "time_s": capture_s * options.tokens / rows.numel() + step_s * training.n_steps + judging_s(subject, capture_s),
    }
    return Outcome({"dry_run": True, **numbers}, (_table(numbers, capture_s / rows.numel(), step_s),))


def plan_judging(subject: Subject) -> Outcome:
    """Return tokens and time of judging a dictionary; nothing is written."""
    rows = torch.zeros(N_ROWS_TIMED, subject.config.row_length, dtype=torch.long)
    capture_s, _ = timed_capture(subject, rows)
    numbers = {"n_tokens": subject.config.eval_tokens, "time_s": judging_s(subject, capture_s)}
    lines = (
        ("tokens", number(numbers["n_tokens"]), f"{1e6 * capture_s / rows.numel():.0f} s of the model per million"),
        ("time", duration(numbers["time_s"]), "timed just now on this machine"),
    )
    table = Table("What judging would cost", ("what", "amount", "from"), lines, note="Nothing was written.")
    return Outcome({"dry_run": True, **numbers}, (table,))


def passes_judging(subject: Subject, n_dictionaries: int = 1) -> int:
    """Return the model's whole passes over the rows; of several sites each is replaced alone too."""
    n_alone = 0 if subject.rebuilt is not None else len(subject.route.rebuilt)
    return PASSES_SHARED + n_alone + DICTIONARIES_JUDGED * n_dictionaries * (1 + n_alone)


def judging_s(subject: Subject, capture_s: float, n_dictionaries: int = 1) -> float:
    """Return the seconds of judging dictionaries of one route together.

    Args:
        subject: where they are judged.
        capture_s: seconds of capturing the rows timed.
        n_dictionaries: how many there are.
    """
    rows = torch.zeros(N_ROWS_TIMED, subject.config.row_length, dtype=torch.long)
    started = time.monotonic()
    subject.model.logits(rows.to(subject.model.device))
    whole_s = time.monotonic() - started
    timed_s = CAPTURES_JUDGING * n_dictionaries * capture_s + passes_judging(subject, n_dictionaries) * whole_s
    return timed_s * subject.config.eval_tokens / rows.numel()


def timed_capture(subject: Subject, rows: torch.Tensor) -> tuple[float, tuple[Tensor, Tensor | None]]:
    """Return the seconds, and what is read and what is to be rebuilt (None: the same), one vector per token."""
    route = subject.route
    d_in = activations_at(subject.model, rows, *route.inputs).shape[-1]
    started = time.monotonic()
    vectors = activations_at(subject.model, rows, *route.sites).flatten(0, 1)
    seconds = time.monotonic() - started
    return seconds, (vectors[:, :d_in], vectors[:, d_in:] if route.targets else None)


def seconds_per_step(dictionary: Dictionary, activations: tuple[Tensor, Tensor | None], training: TrainConfig) -> float:
    """Return the seconds of one step on vectors of the right width; what they hold hardly matters for the time."""
    vectors, targets = activations
    n = min(training.batch_size, len(vectors))
    brief = training.model_copy(
        update={"n_tokens": n * N_STEPS_TIMED, "batch_size": n, "checkpoint_every_steps": None, "b_dec_init": "zeros"}
    )
    noise = vectors + torch.randn(vectors.shape, generator=torch_generator(0, "timing")).to(vectors)
    started = time.monotonic()
    fit(dictionary, TensorSource(noise, n, targets=targets), brief)
    return (time.monotonic() - started) / N_STEPS_TIMED * training.batch_size / n


def _table(numbers: dict[str, float], capture_s: float, step_s: float) -> Table:
    rows = (
        ("tokens", number(numbers["n_tokens"]), f"{1e6 * capture_s:.0f} s of the model per million"),
        ("steps", number(numbers["n_steps"]), f"{1e3 * step_s:.0f} ms each"),
        ("parameters", number(numbers["n_parameters"]), ""),
        ("memory", f"{numbers['memory_bytes'] / 1e6:.0f} MB", "weights, moments, pool, one batch of codes"),
        ("disk", f"{numbers['disk_bytes'] / 1e6:.0f} MB", f"dictionary and {KEPT_CHECKPOINTS} checkpoints"),
        ("time", duration(numbers["time_s"]), "timed just now on this machine; judging is estimated"),
    )
    return Table("What this run would cost", ("what", "amount", "from"), rows, note="Nothing was written.")
