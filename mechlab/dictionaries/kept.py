"""What TopK-like kinds share: only the kept codes of a batch enter the loss and its gradient.

1. Compute all pre-activations a few rows at a time, without a gradient; measure each by what it would contribute.
2. The kind says which are kept (`choose`); their positive parts are the codes.
3. Reconstruct from the kept codes alone and take the squared error.
4. Where features are dead, add the auxiliary loss that revives them.
"""

from abc import abstractmethod
from dataclasses import replace
from typing import TypeVar

import torch
from jaxtyping import Bool, Float
from pydantic import Field, NonNegativeFloat
from torch import Tensor

from mechlab.core.shapes import Codes, Inputs, Targets
from mechlab.dictionaries.choosing import Chosen
from mechlab.dictionaries.dictionary import Dictionary, DictionaryConfig, Losses, StepContext, mean_squared_error
from mechlab.dictionaries.revival import auxiliary_loss
from mechlab.dictionaries.sparse import Kept, Read, decode_kept, encode_kept
from mechlab.dictionaries.tiles import Tiles


class KeptConfig(DictionaryConfig):
    """What kinds that keep a number of codes have in common."""

    aux_loss_coefficient: NonNegativeFloat = Field(
        default=1.0, description="Weight of the loss that revives dead features."
    )
    rescale_acts_by_decoder_norm: bool = Field(
        default=True, description="Choose codes by code times decoder norm, in units of a unit direction."
    )


KeptConfigT = TypeVar("KeptConfigT", bound=KeptConfig)


class KeptDictionary(Dictionary[KeptConfigT]):
    """A dictionary that trains on the kept codes only.

    With `rescale_acts_by_decoder_norm` the decoder's norms decide which codes are kept and cancel everywhere else, in
    value and in gradient; so they enter the choice alone.
    """

    dense_codes = 3
    in_tiles = True

    @abstractmethod
    def choose(self, tiles: Tiles) -> Chosen:
        """Return which codes of a training batch are kept, and what each would contribute."""

    def decode(self, codes: Float[Tensor, "*batch d_sae"]) -> Float[Tensor, "*batch d_out"]:
        """Return the reconstruction that codes stand for."""
        return super().decode(codes / self.decoder_norms() if self.config.rescale_acts_by_decoder_norm else codes)

    def contributions(self, pre: Codes) -> Codes:
        """Return pre-activations in the units in which codes are compared."""
        return pre * self.decoder_norms() if self.config.rescale_acts_by_decoder_norm else pre

    def sparse_loss(self, inputs: Inputs, targets: Targets, context: StepContext) -> Losses:
        """Return squared error plus the auxiliary loss of dead features."""
        with torch.no_grad():
            tiles = self.tiles(inputs)
            chosen = self.choose(tiles)
            kept, compared = chosen.kept, chosen.contributions
            read = Read(self._in_own_units(compared, kept), tiles.centred, kept)
        values = encode_kept(self.encoder, self.b_enc, self.centre, read).relu()
        parts, reconstruction = self.errors(values, kept, inputs, targets, context.dead)
        fired, l0 = kept.fired(values.detach())
        return Losses(parts, reconstruction, fired, l0, {"compared": compared})

    def tiles(self, inputs: Inputs) -> Tiles:
        """Return the contributions a few rows at a time."""
        tiles = super().tiles(inputs)
        return replace(tiles, scale=self.decoder_norms()) if self.config.rescale_acts_by_decoder_norm else tiles

    def errors(
        self, values: Float[Tensor, "n_kept"], kept: Kept, inputs: Inputs, targets: Targets, dead: Bool[Tensor, "d_sae"]
    ) -> tuple[dict[str, Tensor], Targets]:
        """Return the parts of the loss, and the reconstruction from the kept codes."""
        reconstruction = self.decoded(values, kept)
        parts = {"mse": mean_squared_error(reconstruction, targets)}
        if self.config.aux_loss_coefficient > 0:
            parts["aux"] = self.revival_loss(inputs, targets - reconstruction, dead)
        return parts, reconstruction

    def decoded(self, values: Float[Tensor, "n_kept"], kept: Kept) -> Targets:
        """Return the reconstruction from the kept codes."""
        return self.peers.joined(decode_kept(values, self.W_dec, kept), self.b_dec)

    def revival_loss(self, inputs: Inputs, left_over: Targets, dead: Bool[Tensor, "d_sae"]) -> Float[Tensor, ""]:
        """Return the weighted auxiliary loss of the given dead features."""
        rescale = self.config.rescale_acts_by_decoder_norm
        auxiliary = auxiliary_loss(self, inputs, left_over.detach(), dead, rescale)
        return self.config.aux_loss_coefficient * auxiliary

    def fold_decoder_norms(self) -> None:
        """Fold the norms into the encoder where the choice of codes does not depend on them."""
        if self.config.rescale_acts_by_decoder_norm:
            super().fold_decoder_norms()

    def _in_own_units(self, compared: Float[Tensor, "n_kept"], kept: Kept) -> Float[Tensor, "n_kept"]:
        if not self.config.rescale_acts_by_decoder_norm:
            return compared
        return compared / self.decoder_norms()[kept.columns]
