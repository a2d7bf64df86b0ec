"""The first few tokens of every feature by some priority, kept with the text around them while tokens stream by.

1. A token that does not come before the last one a feature keeps is dropped at once.
2. The others are sorted in among the kept ones: the higher priority first, of equals the earlier token.
3. Of tokens with one key, such as the text they stand in, only the first stays.
"""

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Bool, Int, Int64
from torch import Tensor

EMPTY = -(1 << 62)
Payload = Callable[[Int64[Tensor, "n"]], dict[str, Tensor]]


class KeptContexts:
    """A table of a few slots per feature, the first token first; slots that are empty have the priority `EMPTY`.

    What is kept does not depend on how the tokens are cut into batches, if they come in their order.

    Attributes:
        place: number of the token in the corpus.
        payload: what else is kept of each, by name.
    """

    def __init__(self, n_features: int, n_kept: int) -> None:
        self.priority = torch.full((n_features, n_kept), EMPTY, dtype=torch.int64)
        self.key = torch.zeros(n_features, n_kept, dtype=torch.int64)
        self.place = torch.full((n_features, n_kept), -1, dtype=torch.int64)
        self.payload: dict[str, Tensor] = {}

    @property
    def filled(self) -> Bool[Tensor, "n_features n_kept"]:
        """Which slots hold a token."""
        return self.priority > EMPTY

    def welcomes(self, feature: Int64[Tensor, "n"], priority: Int64[Tensor, "n"]) -> Int64[Tensor, "n_welcome"]:
        """Return the numbers of the tokens that come before the last one their feature keeps."""
        return (priority > self.priority[feature, -1]).nonzero()[:, 0]

    def offer(
        self,
        feature: Int64[Tensor, "n"],
        priority: Int64[Tensor, "n"],
        place: Int64[Tensor, "n"],
        key: Int64[Tensor, "n"],
        payload: Payload,
    ) -> None:
        """Take those tokens in that belong among the first.

        Args:
            feature: whose token each is.
            priority: the higher, the earlier; above `EMPTY`.
            place: number of the token in the corpus.
            key: tokens of one feature with one key are the same.
            payload: returns what to keep of some of the tokens, by name; called only for those that stay.
        """
        if not len(feature):
            return
        changed, new_owner = feature.unique(return_inverse=True)
        n_kept = self.priority.shape[1]
        old_owner = torch.arange(len(changed)).repeat_interleave(n_kept)
        owner = torch.cat([old_owner, new_owner])
        mixed = [
            torch.cat([own[changed].flatten(), new])
            for own, new in ((self.priority, priority), (self.place, place), (self.key, key))
        ]
        order = _first_of_each_key(owner, *mixed)
        slot = _rank_within(owner[order])
        order, slot = order[slot < n_kept], slot[slot < n_kept]
        self._put(changed, (owner[order], slot), order, mixed, payload)

    def _put(
        self,
        changed: Int64[Tensor, "n_changed"],
        to: tuple[Tensor, Tensor],
        order: Int64[Tensor, "n"],
        mixed: list[Tensor],
        payload: Payload,
    ) -> None:
        n_old = changed.numel() * self.priority.shape[1]
        fresh = order >= n_old
        for table, values, empty in zip((self.priority, self.place, self.key), mixed, (EMPTY, -1, 0), strict=True):
            table[changed] = empty
            table[changed[to[0]], to[1]] = values[order]
        for name, rows in payload(order[fresh] - n_old).items():
            if name not in self.payload:
                self.payload[name] = torch.zeros(*self.priority.shape, *rows.shape[1:], dtype=rows.dtype)
            table = self.payload[name]
            moved = rows.new_empty(len(order), *rows.shape[1:])
            moved[fresh] = rows
            moved[~fresh] = table[changed].flatten(0, 1)[order[~fresh]]
            table[changed[to[0]], to[1]] = moved


def _first_of_each_key(
    owner: Int64[Tensor, "n"], priority: Int64[Tensor, "n"], place: Int64[Tensor, "n"], key: Int64[Tensor, "n"]
) -> Int64[Tensor, "n_left"]:
    """Return an order by owner, then falling priority, then place; later ones of a key, and empty ones, left out."""
    order = np.lexsort((place.numpy(), -priority.numpy(), owner.numpy()))
    order = torch.from_numpy(order)
    order = order[priority[order] > EMPTY]
    by_key = torch.from_numpy(np.lexsort((np.arange(len(order)), key[order].numpy(), owner[order].numpy())))
    sorted_ = order[by_key]
    again = torch.zeros(len(order), dtype=torch.bool)
    again[1:] = (owner[sorted_][1:] == owner[sorted_][:-1]) & (key[sorted_][1:] == key[sorted_][:-1])
    return order[by_key[~again].sort().values]


def _rank_within(owner: Int[Tensor, "n"]) -> Int64[Tensor, "n"]:
    """Return the place of each among those of its owner; owners stand together."""
    _, counts = owner.unique_consecutive(return_counts=True)
    return torch.arange(len(owner)) - (counts.cumsum(0) - counts).repeat_interleave(counts)
