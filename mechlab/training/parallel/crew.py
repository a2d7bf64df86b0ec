"""The processes that train one dictionary together. This crew is one process, which shares nothing and asks nobody."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mechlab.dictionaries.dictionary import Dictionary, DictionaryConfig, Losses
from mechlab.dictionaries.peers import ALONE, Alone
from mechlab.training.config import TrainConfig


class Crew:
    """What the training loop asks of its crew; every answer is this process's own.

    Attributes:
        n_row_shares: into how many parts a batch is dealt.
        is_writer: whether this process prints and writes for all.
        peers: what the dictionary's loss asks of the others.
    """

    n_row_shares: int = 1
    is_writer: bool = True
    peers: Alone = ALONE

    def refuse(self, kind: type[Dictionary], dictionary: DictionaryConfig, config: TrainConfig) -> None:
        """Raise UsageError where the crew cannot train this."""

    def part(self, dictionary: Dictionary) -> Dictionary:
        """Return what this process trains of a dictionary."""
        return dictionary

    def joined(self, dictionary: Dictionary) -> Dictionary:
        """Return the whole dictionary from what this process trained."""
        return dictionary

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
