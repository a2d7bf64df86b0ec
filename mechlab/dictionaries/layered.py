"""Dictionaries of several layers keep the layers' scales apart: each layer's vectors count alike, however long.

1. In training each layer's vectors are brought to the same mean norm by a factor of their own.
2. Folding the factors into the weights lengthens a direction at one layer more than at another.
3. The factors are kept: norms of directions are compared in the units of training, so that the same codes are chosen.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from mechlab.dictionaries.dictionary import Dictionary
from mechlab.dictionaries.layers import split_layers


class Layered(Dictionary[Any]):
    """A dictionary whose input and target are several layers' vectors side by side.

    `layer_units` holds the factor of each target layer once scales are folded, None before.
    """

    layer_units: Tensor | None

    def __init__(self, config: Any, seed: int = 0) -> None:
        super().__init__(config, seed)
        self.register_buffer("layer_units", None)

    def in_units(self, of_layers: Float[Tensor, "*any n_layers"]) -> Float[Tensor, "*any n_layers"]:
        """Return lengths at each layer in the units of training."""
        return of_layers if self.layer_units is None else of_layers * self.layer_units

    @torch.no_grad()
    def fold_layer_scales(self, input_scales: Sequence[float], target_scales: Sequence[float]) -> None:
        """Make a dictionary trained on each layer's vectors times its factor take and give them as they are."""
        n = self.config.n_layers
        if n == 1:
            return super().fold_layer_scales(input_scales, target_scales)
        into, out = (self.b_dec.new_tensor(scales)[:, None] for scales in (input_scales, target_scales))
        self.scale_encoder(into)
        for block in self.decoder_blocks():
            n_written = block.shape[1] // self.config.d_layer_out
            split_layers(block, n_written).div_(out[-n_written:])
        split_layers(self.b_dec, n).div_(out)
        if self.W_skip is not None:
            split_layers(self.W_skip, n).mul_(into)
            split_layers(self.W_skip.T, n).div_(out)
        self.layer_units = out[:, 0]
        return None

    @torch.no_grad()
    def scale_encoder(self, factors: Float[Tensor, "n_layers 1"]) -> None:
        """Multiply what every feature reads of each layer."""
        split_layers(self.encoder, self.config.n_layers).mul_(factors)

    def load_state_dict(self, state_dict: Mapping[str, Any], *args: Any, **options: Any) -> Any:
        """Take a state; one from before scales were folded has no units, and then there are none."""
        units = state_dict.get("layer_units")
        self.layer_units = None if units is None else units.detach().to(self.b_dec.device, copy=True)
        return super().load_state_dict(state_dict, *args, **options)

    @torch.no_grad()
    def load_saelens(self, tensors: Mapping[str, Tensor]) -> None:
        """Take the parameters, and the layers' units where there are some."""
        super().load_saelens(tensors)
        units = tensors.get("layer_units")
        self.layer_units = None if units is None else units.detach().clone()
