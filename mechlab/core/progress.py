"""Progress: what long work reports while it runs. The terminal's bar lives in views; the default is silent."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol, runtime_checkable


@runtime_checkable
class Task(Protocol):
    """One bar: work advances it by units and may hand over numbers to show."""

    def advance(self, amount: float, **numbers: float) -> None:
        """Move the bar by `amount` units and show the numbers beside it."""
        ...


@runtime_checkable
class Progress(Protocol):
    """Where work reports: a bar per task, a line per note."""

    def task(self, name: str, total: float, unit: str) -> AbstractContextManager[Task]:
        """Return a context in which one task is reported, from 0 to `total` units."""
        ...

    def note(self, line: str) -> None:
        """Show one line to the user."""
        ...

    def stream(self, text: str) -> None:
        """Show a piece of the answer itself, such as words that a model writes, as soon as it is there."""
        ...


class SilentTask:
    """A task nobody watches."""

    def advance(self, amount: float, **numbers: float) -> None:
        """Ignore the step."""


class SilentProgress:
    """Progress nobody watches: the default of every library function."""

    @contextmanager
    def task(self, name: str, total: float, unit: str) -> Iterator[Task]:
        """Yield a task that reports nothing."""
        yield SilentTask()

    def note(self, line: str) -> None:
        """Ignore the line."""

    def stream(self, text: str) -> None:
        """Ignore the piece."""


SILENT: Progress = SilentProgress()
