"""What training a model with codebooks would cost: counted where it can be counted, timed on this machine otherwise."""

import time

import torch

from mechlab.core.randomness import torch_generator
from mechlab.corpora.batches import RowBatches
from mechlab.interventions.codebook_model import CodebookModel
from mechlab.interventions.codebook_start import new_codebooks
from mechlab.training.finetune import FinetuneRun
from mechlab.training.finetune_config import FinetuneConfig
from mechlab.verbs.codebook_options import CodebookOptions
from mechlab.verbs.outcome import Outcome
from mechlab.verbs.steps.codebooks.run import finetune_config, like, open_codebook_subject
from mechlab.views.numbers import duration, number
from mechlab.views.table import Table

N_STEPS_TIMED, KEPT_CHECKPOINTS, BYTES = 3, 2, 4
PASSES_JUDGING = 4  # before training without codebooks and with drawn codes, afterwards, and the index of codes
OF_WEIGHTS, OF_CODES = 4, 3  # copies in memory: themselves, two moments, and the gradient, which codes have for few


def plan_codebooks(options: CodebookOptions) -> Outcome:
    """Return tokens, steps, memory, disk and time of a run that is not made; nothing is written.

    Raises:
        UsageError: an option does not fit.
    """
    subject, config = open_codebook_subject(options), finetune_config(options)
    books = new_codebooks(subject.model, subject.route.inputs, like(options), options.seed)
    model = CodebookModel(subject.model, books)
    step_s, pass_s = timed(model, config, options)
    n_codes, n_weights = (sum(book.codes.numel() for book in books.values()), subject.model.spec.n_params)
    n_trained = n_codes + (n_weights if options.train == "all" else 0)
    runs = 2 if options.control and options.train == "all" else 1
    judging_s = (PASSES_JUDGING + runs - 1) * pass_s * options.eval_tokens
    numbers = {
        "n_tokens": options.tokens,
        "n_steps": config.n_steps,
        "n_parameters": n_trained,
        "memory_bytes": BYTES * (OF_WEIGHTS * n_weights + OF_CODES * n_codes + options.tokens + options.eval_tokens),
        "disk_bytes": BYTES * (n_weights + n_codes + KEPT_CHECKPOINTS * 3 * n_trained),
        "time_s": runs * step_s * config.n_steps + judging_s,
    }
    return Outcome({"dry_run": True, **numbers}, (_table(numbers, step_s, runs),))


def timed(model: CodebookModel, config: FinetuneConfig, options: CodebookOptions) -> tuple[float, float]:
    """Return the seconds of a step, and of a pass over a token; the model given is no longer what it was."""
    draw = torch_generator(options.seed, "timing")
    rows = torch.randint(0, model.spec.d_vocab, (options.batch_rows, options.row_length), generator=draw)
    run = FinetuneRun(model, RowBatches(rows, torch.arange(len(rows)), len(rows)), config)
    started = time.monotonic()
    for _ in range(N_STEPS_TIMED):
        run.advance()
    step_s = (time.monotonic() - started) / N_STEPS_TIMED
    started = time.monotonic()
    model.codes(rows.to(model.device))
    return step_s, (time.monotonic() - started) / rows.numel()


def _table(numbers: dict[str, float], step_s: float, runs: int) -> Table:
    control = ", and as many of the control" if runs > 1 else ""
    rows = (
        ("tokens", number(numbers["n_tokens"]), ""),
        ("steps", number(numbers["n_steps"]), f"{1e3 * step_s:.0f} ms each{control}"),
        ("parameters", number(numbers["n_parameters"]), "weights and codes that learn"),
        (
            "memory",
            f"{numbers['memory_bytes'] / 1e6:.0f} MB",
            "weights, codes, moments, tokens; activations beside",
        ),
        (
            "disk",
            f"{numbers['disk_bytes'] / 1e6:.0f} MB",
            f"model, {KEPT_CHECKPOINTS} checkpoints; the index beside",
        ),
        ("time", duration(numbers["time_s"]), "timed just now on this machine; judging is estimated"),
    )
    return Table("What this run would cost", ("what", "amount", "from"), rows, note="Nothing was written.")
