"""Checkpoints that are known to be good: a state is handed over once the loss of its parameters has been seen."""

from collections.abc import Callable
from typing import Protocol, runtime_checkable

from mechlab.training.state import TrainingState


@runtime_checkable
class Stored(Protocol):
    """A run whose state can be kept."""

    step: int
    last_checkpoint: int | None

    def state(self) -> TrainingState:
        """Return copies of everything that determines the rest of the run."""
        ...


class Checkpointer:
    """Holds a state back until the next step's loss was fine, then gives it to `save`."""

    def __init__(self, run: Stored, save: Callable[[int, TrainingState], None] | None) -> None:
        self._run = run
        self._save = save
        self._held: tuple[int, TrainingState] | None = None

    def hold(self) -> None:
        """Take a copy of the run as it is now."""
        if self._save is not None:
            self._held = (self._run.step, self._run.state())

    def release(self) -> None:
        """Hand over what is held, if anything."""
        if self._save is not None and self._held is not None:
            step, state = self._held
            self._save(step, state)
            self._run.last_checkpoint = step
            self._held = None
