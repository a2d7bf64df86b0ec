"""One dictionary's way through its training, a step at a time; alone, or in step with others on the same batches."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from mechlab.core.progress import SILENT, Progress
from mechlab.training.checkpoints import Checkpointer
from mechlab.training.log_line import log_line
from mechlab.training.run import TrainingRun
from mechlab.training.schedule import is_due
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


class Course:
    """A run with its log and its checkpoints, from its first step or a stored state to the folded dictionary."""

    def __init__(self, run: TrainingRun, watcher: Watcher, resume: TrainingState | None = None) -> None:
        self.run, self._watcher = run, watcher
        if resume is not None:
            run.restore(resume)
        self._checkpoints = Checkpointer(run, watcher.save)
        self._last: dict[str, float] = {}

    @property
    def n_tokens(self) -> int:
        """Return how many tokens the whole course takes."""
        return self.run.config.n_steps * self.run.config.batch_size

    @property
    def at_end(self) -> bool:
        """Return whether no step is left."""
        return self.run.step >= self.run.config.n_steps

    def step(self) -> tuple[int, dict[str, float]]:
        """Take one step; return its tokens, and loss and L0 where they are logged.

        Raises:
            TrainingDiverged: the loss is not finite or has exploded; saved states are untouched.
            UsageError: the source ran out.
        """
        run, config = self.run, self.run.config
        lr = run.lr
        inputs, targets = run.next_batch()
        losses = run.advance(inputs, targets)
        self._checkpoints.release()
        shown: dict[str, float] = {}
        if is_due(run.step, config.log_every_steps, config.n_steps):
            self._last = log_line(run, losses, targets, lr)
            shown = {name: self._last[name] for name in ("loss", "l0")}
            if self._watcher.log is not None:
                self._watcher.log(self._last)
        if config.checkpoint_every_steps and is_due(run.step, config.checkpoint_every_steps, config.n_steps):
            self._checkpoints.hold()
        return len(inputs) * run.crew.n_row_shares, shown

    def finish(self) -> TrainingResult:
        """Hand over the last checkpoint and leave the dictionary taking raw activations."""
        self._checkpoints.release()
        self.run.finish()
        return TrainingResult(self.run.step, self.run.tokens, self._last, self.run.dead)
