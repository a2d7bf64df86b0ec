"""The one training loop every dictionary kind shares.

1. Take a batch; the first one also sets the scales that bring activations to norm `sqrt(d)`, and `b_dec`.
2. Compute the kind's loss, clip the gradient, take an Adam step at the schedule's learning rate.
3. Count for every feature the tokens since it fired; the loss revives those that are dead.
4. Stop if the loss is no longer a loss; log; checkpoint what is known to be good.
5. Fold the scales into the weights, so that the dictionary takes raw activations.
"""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from mechlab.core.progress import SILENT, Progress
from mechlab.dictionaries.dictionary import Dictionary
from mechlab.training.checkpoints import Checkpointer
from mechlab.training.config import TrainConfig
from mechlab.training.log_line import log_line
from mechlab.training.parallel.crew import ONE, Crew
from mechlab.training.run import TrainingRun
from mechlab.training.source import DataSource
from mechlab.training.state import TrainingState


@dataclass(frozen=True)
class Watcher:
    """Who looks on: a progress bar, a reader of log lines, a keeper of checkpoints (None: nobody)."""

    progress: Progress = SILENT
    log: Callable[[dict[str, float]], None] | None = None
    save: Callable[[int, TrainingState], None] | None = None


@dataclass(frozen=True)
class TrainingResult:
    """How a run ended: steps and tokens taken, the last log line, and which features had not fired for the window."""

    n_steps: int
    n_tokens: int
    last: dict[str, float]
    dead: Tensor


def fit(
    dictionary: Dictionary,
    source: DataSource,
    config: TrainConfig,
    watcher: Watcher | None = None,
    resume: TrainingState | None = None,
    crew: Crew = ONE,
) -> TrainingResult:
    """Train a dictionary in place and leave it taking raw activations.

    Args:
        dictionary: on the device it trains on.
        source: batches of raw activations, or of (activations, targets).
        config: how to train.
        watcher: who is told; nobody by default.
        resume: a state an earlier run saved with the same config; the result is the same, byte for byte.
        crew: the processes that train together, each of them calling this; by default there is one.

    Raises:
        TrainingDiverged: the loss is not finite or has exploded; saved states are untouched.
        UsageError: the source ran out before `n_tokens`.
        ArtifactError: the state is of another dictionary.
    """
    watcher = watcher or Watcher()
    run = TrainingRun(dictionary, source, config, crew)
    if resume is not None:
        run.restore(resume)
    checkpoints = Checkpointer(run, watcher.save)
    last: dict[str, float] = {}
    with watcher.progress.task("training", config.n_steps * config.batch_size, "tokens") as bar:
        bar.advance(run.tokens)
        while run.step < config.n_steps:
            lr = run.lr
            inputs, targets = run.next_batch()
            losses = run.advance(inputs, targets)
            checkpoints.release()
            shown: dict[str, float] = {}
            if _is_due(run.step, config.log_every_steps, config):
                last = log_line(run, losses, targets, lr)
                shown = {name: last[name] for name in ("loss", "l0")}
                if watcher.log is not None:
                    watcher.log(last)
            bar.advance(len(inputs) * crew.n_row_shares, **shown)
            if config.checkpoint_every_steps and _is_due(run.step, config.checkpoint_every_steps, config):
                checkpoints.hold()
    checkpoints.release()
    run.finish()
    return TrainingResult(run.step, run.tokens, last, run.dead)


def _is_due(step: int, every: int, config: TrainConfig) -> bool:
    return step % every == 0 or step == config.n_steps
