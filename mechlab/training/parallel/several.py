"""What every crew of several processes does alike: it knows its group, and one process writes for all."""

import torch
from jaxtyping import Float
from torch import Tensor

from mechlab.dictionaries.peers import Alone
from mechlab.training.parallel.crew import Crew
from mechlab.training.parallel.group import Group


class SeveralPeers(Alone):
    """The others hold something of the batch or of the dictionary."""

    def __init__(self, group: Group) -> None:
        self._group = group

    def smallest(self, values: Float[Tensor, "n"]) -> Float[Tensor, ""] | None:
        """Return the smallest of everybody's values; None if nobody has one."""
        here = values.min().clone() if values.numel() else values.new_full((), torch.inf)
        smallest = self._group.lowest_(here)
        return None if torch.isinf(smallest) else smallest


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


def dense_gradient(parameter: torch.nn.Parameter) -> Tensor:
    """Return a parameter's gradient in one piece of memory, zeros where the loss here did not reach it."""
    return torch.zeros_like(parameter) if parameter.grad is None else parameter.grad.contiguous()
