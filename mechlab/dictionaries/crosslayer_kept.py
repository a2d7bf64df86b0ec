"""What cross-layer transcoders that keep the largest codes share: only the kept codes enter the loss.

1. Take the batch layer by layer: row `l * batch + b` is what vector b holds of layer l.
2. Compute all pre-activations without a gradient; the kind says which of its layer's features each row keeps.
3. Each layer's kept codes sum their rows of directions: one embedding bag per layer, of ragged width.
4. The parts are summed where they arrive; the squared error is that of all layers together.
5. Where features are dead, the best of each layer rebuild together what is left over.
"""

import itertools
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mechlab.core.shapes import Inputs, Targets
from mechlab.dictionaries.choosing import Chosen
from mechlab.dictionaries.crosslayer import Crosslayer, arrive
from mechlab.dictionaries.dictionary import Losses, StepContext, mean_squared_error
from mechlab.dictionaries.kept import KeptDictionary
from mechlab.dictionaries.layers import split_layers
from mechlab.dictionaries.sparse import Kept, decode_kept
from mechlab.dictionaries.tiles import Tiles


class KeptCrosslayer(KeptDictionary[Any], Crosslayer):
    """A cross-layer transcoder that trains on the kept codes only; put it before the kind that chooses them."""

    def choose(self, tiles: Tiles) -> Chosen:
        """Return which of its layer's features each row keeps, numbered among those of all layers."""
        chosen = super().choose(tiles)
        own, n_rows = chosen.kept, tiles.shape[0] // self.config.n_layers
        columns = own.columns + own.rows // n_rows * own.d_sae
        return replace(chosen, kept=Kept(columns, own.offsets, self.config.d_sae))

    def written_by(
        self, layer: int, codes: Float[Tensor, "*batch d_sae_per_layer"]
    ) -> Float[Tensor, "*batch layers_from_here d_layer_out"]:
        """Return what codes, in the units in which they are compared, add to that layer and all later ones."""
        if not self.config.rescale_acts_by_decoder_norm:
            return super().written_by(layer, codes)
        return super().written_by(layer, codes / self.layer_codes(self.decoder_norms())[layer])

    def sparse_loss(self, inputs: Inputs, targets: Targets, context: StepContext) -> Losses:
        """Return what every kind that keeps codes does, counting all layers' codes of a vector."""
        losses = super().sparse_loss(inputs, targets, context)
        return replace(losses, l0=losses.l0 * self.config.n_layers)  # a vector has a row for each layer

    def decoded(self, values: Float[Tensor, "n_kept"], kept: Kept) -> Targets:
        """Return the reconstruction from the kept codes, each layer's summed where they arrive."""
        n_rows = (kept.offsets.numel() - 1) // self.config.n_layers
        bounds = kept.offsets[::n_rows].tolist()
        parts = []
        for layer, (start, stop) in enumerate(itertools.pairwise(bounds)):
            level = self.config.levels[layer]
            offsets = kept.offsets[layer * n_rows : (layer + 1) * n_rows + 1] - start
            own = Kept(kept.columns[start:stop] - level.start, offsets, len(level))
            parts.append(decode_kept(values[start:stop], self.decoder[layer], own))
        return arrive(self.b_dec, parts)

    def revival_loss(self, inputs: Inputs, left_over: Targets, dead: Bool[Tensor, "d_sae"]) -> Float[Tensor, ""]:
        """Return the weighted error of each layer's best dead features in rebuilding, together, what is left over.

        A layer takes `d_layer_in / 2` of them per vector; with few dead features the loss shrinks in proportion.
        """
        n_dead = int(dead.sum())
        if n_dead == 0:
            return inputs.new_zeros(())
        wanted, by_layer = max(1, self.config.d_layer_in // 2), split_layers(inputs, self.config.n_layers).unbind(1)
        parts = []
        for level, x, block in zip(self.config.levels, by_layer, self.decoder, strict=True):
            features = dead[level.start : level.stop].nonzero().squeeze(1)
            codes = x @ self.encoder[level.start + features].T + self.b_enc[level.start + features]
            parts.append(self._best(codes, block[features], wanted) @ block[features])
        share = min(1.0, n_dead / (wanted * self.config.n_layers))
        rebuilt = arrive(torch.zeros_like(self.b_dec), parts)
        return self.config.aux_loss_coefficient * share * mean_squared_error(rebuilt, left_over.detach())

    def _best(self, codes: Tensor, directions: Tensor, wanted: int) -> Tensor:
        if codes.shape[1] <= wanted:
            return codes
        ranked = codes.detach()
        if self.config.rescale_acts_by_decoder_norm:
            ranked = ranked * directions.detach().norm(dim=-1)
        return codes * self.peers.mask_of_best(ranked, wanted)
