"""The processes that train one dictionary together. This crew is one process, which shares nothing and asks nobody."""

from typing import ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mechlab.dictionaries.dictionary import Dictionary, Losses
from mechlab.dictionaries.peers import ALONE, Alone
from mechlab.training.state import TrainingState


class Crew:
    """What the training loop asks of its crew; every answer is this process's own.

    Attributes:
        way: what is shared, as kinds name it; nothing in a crew of one.
        rank: this process's number.
        n: how many processes there are.
        n_row_shares: into how many parts a batch is dealt.
        peers: what the dictionary's loss asks of the others.
    """

    way: ClassVar[str] = ""
    rank: int = 0
    n: int = 1
    n_row_shares: int = 1
    peers: Alone = ALONE

    @property
    def is_writer(self) -> bool:
        """Whether this process prints and writes for all."""
        return self.rank == 0

    @property
    def saves(self) -> bool:
        """Whether this process has part in writing checkpoints."""
        return self.is_writer

    @classmethod
    def can_train(cls, kind: type[Dictionary]) -> bool:
        """Return whether a kind can be trained by several processes in this way.

        A kind has to say so itself: one that looks over the batch or the features otherwise than the kind it extends
        does not inherit what that can do.
        """
        return cls.way == "" or cls.way in vars(kind).get("parallel", Dictionary.parallel)

    def refuse(self, d_sae: int, batch_size: int) -> None:
        """Raise UsageError where features or batches of this size cannot be dealt out evenly."""

    def part(self, dictionary: Dictionary) -> Dictionary:
        """Return what this process trains of a dictionary."""
        return dictionary

    def part_of_state(self, state: TrainingState, dictionary: Dictionary) -> TrainingState:
        """Return what this process needs of a stored state to go on with what it trains."""
        return state

    def own_tensors(self, state: TrainingState, dictionary: Dictionary) -> set[str]:
        """Return the names of a state's tensors of which each process has a part of its own."""
        return set()

    def joined(self, dictionary: Dictionary) -> Dictionary:
        """Return the whole dictionary from what this process trained."""
        return dictionary

    def gather(self, tensor: Tensor) -> list[Tensor]:
        """Return every process's tensor; all have the same shape."""
        return [tensor]

    def first(self, number: int) -> int:
        """Return the first process's number."""
        return number

    def leave(self) -> None:
        """Part from the others; each goes on, or ends, by itself."""

    def share(self, rows: Float[Tensor, "batch width"]) -> Float[Tensor, "share width"]:
        """Return this process's part of a batch."""
        return rows

    def whole(self, losses: Losses) -> Losses:
        """Return the losses of the whole batch and dictionary."""
        return losses

    def reduce_gradients(self, dictionary: Dictionary) -> None:
        """Make the gradients here those of the whole batch's loss."""

    def gradient_norm(self, dictionary: Dictionary) -> Float[Tensor, ""]:
        """Return the norm of the whole dictionary's gradient."""
        return torch.nn.utils.get_total_norm([p.grad for p in dictionary.parameters() if p.grad is not None])

    def sum_of_shares(self, of_rows_here: Float[Tensor, "*any"]) -> Float[Tensor, "*any"]:
        """Return a sum over a batch's rows from that over the rows here."""
        return of_rows_here

    def dead_share(self, dead: Bool[Tensor, "d_sae"]) -> float:
        """Return which part of all features is dead."""
        return dead.float().mean().item()


ONE = Crew()
