"""What every crew of several processes does alike: it knows its group, and one process writes for all."""

from torch import Tensor

from mechlab.training.parallel.crew import Crew
from mechlab.training.parallel.group import Group


class Several(Crew):
    """A crew of more than one process."""

    def __init__(self, group: Group) -> None:
        self.group = group
        self.rank, self.n = group.rank, group.n

    def gather(self, tensor: Tensor) -> list[Tensor]:
        """Return every process's tensor; all have the same shape."""
        return self.group.gather(tensor)

    def first(self, number: int) -> int:
        """Return the first process's number."""
        return self.group.first(number)

    def leave(self) -> None:
        """Part from the others; each goes on, or ends, by itself."""
        self.group.leave()
