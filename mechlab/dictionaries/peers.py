"""Other processes that hold some of a dictionary's features or some of its batch; alone, there are none.

A kind says by these few words where its loss looks across features or across the batch. One process answers for itself;
training in several hands a kind an answerer that asks the others.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from mechlab.core.shapes import Codes, Targets
from mechlab.dictionaries.choosing import Chosen, largest_of_batch, largest_of_rows
from mechlab.dictionaries.tiles import Tiles


class Alone:
    """No others: every feature and every row is here."""

    has_all_features: bool = True

    def joined(self, partial: Targets, b_dec: Float[Tensor, "d_out"]) -> Targets:
        """Return the sum over all features of what each contributes, plus the decoder bias."""
        return self.over_features(partial) + self.once(b_dec)

    def over_features(self, partial: Float[Tensor, "*any"]) -> Float[Tensor, "*any"]:
        """Return the sum over all features of a sum over those that are here; each gets the gradient of the whole."""
        return partial

    def once(self, everywhere: Float[Tensor, "*any"]) -> Float[Tensor, "*any"]:
        """Return what every process computes alike, so that its gradient is counted once."""
        return everywhere

    def count(self, here: int) -> int:
        """Return how many features there are in all where `here` of them are here."""
        return here

    def best_of_row(self, tiles: Tiles, k: int) -> Chosen:
        """Return those of the k largest contributions of each row that are here."""
        return largest_of_rows(tiles, k)

    def mask_of_best(self, values: Codes, k: int) -> Codes:
        """Return ones at those of the k largest values of each row that are here, zeros elsewhere."""
        return torch.zeros_like(values).scatter_(1, values.topk(k, dim=-1, sorted=False).indices, 1.0)

    def best_of_batch(self, tiles: Tiles, k: float) -> Chosen:
        """Return those of the batch's `k * rows` largest positive contributions that are here."""
        return largest_of_batch(tiles, int(k * tiles.shape[0]))

    def smallest(self, values: Float[Tensor, "n"]) -> Float[Tensor, ""] | None:
        """Return the smallest of all values of the batch; None if there are none."""
        return values.min() if values.numel() else None


ALONE = Alone()
