"""The codes of a batch that are above 0, as a list: which token, which feature, how much."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from mechlab.interventions.splice import Codec
from mechlab.metrics.passes import RowsAtSite


@dataclass(frozen=True, eq=False)
class ActiveCodes:
    """Active codes in the order of tokens, then features. Special tokens have none.

    Attributes:
        place: of each token that counts, its place in the batch: row times row length plus position.
        token: of each active code, which of the tokens that count it belongs to.
    """

    n_features: int
    row_length: int
    place: Int64[Tensor, "n_tokens"]
    token: Int64[Tensor, "n_active"]
    feature: Int64[Tensor, "n_active"]
    value: Float[Tensor, "n_active"]

    @classmethod
    def of(cls, dictionary: Codec, batch: RowsAtSite) -> "ActiveCodes":
        """Return the active codes of a batch, on the CPU."""
        codes = dictionary.encode(batch.inputs[batch.scored])
        token, feature = (codes > 0).nonzero(as_tuple=True)
        value = codes[token, feature].float()
        place = batch.scored.flatten().nonzero()[:, 0]
        return cls(codes.shape[-1], batch.scored.shape[1], place.cpu(), token.cpu(), feature.cpu(), value.cpu())

    @property
    def row(self) -> Int64[Tensor, "n_active"]:
        """The row of the batch each active code is in."""
        return self.place[self.token] // self.row_length

    @property
    def position(self) -> Int64[Tensor, "n_active"]:
        """Its position there."""
        return self.place[self.token] % self.row_length

    def around(
        self, some: Int64[Tensor, "n"], before: int, after: int
    ) -> tuple[Int64[Tensor, "n width"], Bool[Tensor, "n width"], Float[Tensor, "n width"]]:
        """Return the places around some active codes, which of them are inside the row, and the feature's codes there.

        Args:
            some: numbers of active codes.
            before: places before each.
            after: places after it.
        """
        offsets = torch.arange(-before, after + 1)
        inside = self.position[some][:, None] + offsets
        inside = (inside >= 0) & (inside < self.row_length)
        places = torch.where(inside, self.place[self.token[some]][:, None] + offsets, 0)
        wanted = places * self.n_features + self.feature[some][:, None]
        known = self.place[self.token] * self.n_features + self.feature
        found = torch.searchsorted(known, wanted).clamp(max=max(len(known) - 1, 0))
        return places, inside, torch.where(inside & (known[found] == wanted), self.value[found], 0.0)
