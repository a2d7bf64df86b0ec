"""What cross-layer transcoders that keep the largest codes share: only the kept codes enter the loss.

1. Take the batch layer by layer: row `l * batch + b` is what vector b holds of layer l.
2. Compute all pre-activations without a gradient; the kind says which of its layer's features each row keeps.
3. Each layer's kept codes sum their rows of directions: one embedding bag per layer, of ragged width.
4. The parts are summed where they arrive; the squared error is that of all layers together.
5. Where features are dead, the best of each layer rebuild together what is left over.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mechlab.core.shapes import Codes, Inputs, Targets
from mechlab.dictionaries.crosslayer import Crosslayer, arrive
from mechlab.dictionaries.dictionary import Losses, StepContext, mean_squared_error
from mechlab.dictionaries.kept import KeptDictionary
from mechlab.dictionaries.layers import split_layers
from mechlab.dictionaries.sparse import Kept, Read, decode_kept, encode_kept
from mechlab.dictionaries.tiles import Tiles


@dataclass(frozen=True)
class LayerTiles(Tiles):
    """Tiles of a batch layer by layer: row `l * batch + b` is what vector b holds of layer l, on l's features."""

    n_layers: int

    @property
    def shape(self) -> tuple[int, int]:
        """Return the number of rows of all layers, and the features of one."""
        return len(self.centred), len(self.encoder) // self.n_layers

    @property
    def layers(self) -> list[Tiles]:
        """The tiles of each layer."""
        n = self.n_layers
        scales = [None] * n if self.scale is None else self.scale.chunk(n)
        parts = zip(self.centred.chunk(n), self.encoder.chunk(n), self.b_enc.chunk(n), scales, strict=True)
        return [Tiles(*part) for part in parts]

    def __iter__(self) -> Iterator[tuple[int, Codes]]:
        for layer, tiles in enumerate(self.layers):
            for start, tile in tiles:
                yield layer * len(tiles.centred) + start, tile

    def first_rows(self) -> Codes:
        """Return the contributions of a few rows of each layer."""
        return torch.cat([tiles.first_rows() for tiles in self.layers])


class KeptCrosslayer(KeptDictionary[Any], Crosslayer):
    """A cross-layer transcoder that trains on the kept codes only; `choose` says which of its layer's a row keeps."""

    def tiles(self, centred: Float[Tensor, "rows d_layer_in"]) -> LayerTiles:
        """Return the contributions a few rows at a time, layer by layer."""
        norms = self.decoder_norms() if self.config.rescale_acts_by_decoder_norm else None
        return LayerTiles(centred, self.encoder, self.b_enc, norms, self.config.n_layers)

    def written_by(
        self, layer: int, codes: Float[Tensor, "*batch d_sae_per_layer"]
    ) -> Float[Tensor, "*batch layers_from_here d_layer_out"]:
        """Return what codes, in the units in which they are compared, add to that layer and all later ones."""
        if not self.config.rescale_acts_by_decoder_norm:
            return super().written_by(layer, codes)
        return super().written_by(layer, codes / self.layer_codes(self.decoder_norms())[layer])

    def sparse_loss(self, inputs: Inputs, targets: Targets, context: StepContext) -> Losses:
        """Return squared error plus the auxiliary loss of dead features."""
        n = self.config.n_layers
        with torch.no_grad():
            rows = split_layers(inputs, n).transpose(0, 1).flatten(0, 1)
            chosen = self.choose(self.tiles(rows))
            own, compared = chosen.kept, chosen.contributions
            kept = Kept(own.columns + own.rows // len(inputs) * own.d_sae, own.offsets, self.config.d_sae)
            read = Read(self._in_own_units(compared, kept), rows, kept)
        values = encode_kept(self.encoder, self.b_enc, None, read).relu()
        reconstruction = arrive(self.b_dec, self._written(values, own))
        parts = {"mse": mean_squared_error(reconstruction, targets)}
        if self.config.aux_loss_coefficient > 0:
            parts["aux"] = self.revival_loss(inputs, targets - reconstruction, context.dead)
        fired, l0 = kept.fired(values.detach())
        return Losses(parts, reconstruction, fired, l0 * n, {"compared": compared})

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

    def _written(self, values: Float[Tensor, "n_kept"], own: Kept) -> list[Tensor]:
        """Return what each layer's kept codes write to it and the later layers."""
        batch = (own.offsets.numel() - 1) // self.config.n_layers
        bounds = own.offsets[::batch].tolist()
        codes = values.split([stop - start for start, stop in itertools.pairwise(bounds)])
        patterns = [
            Kept(own.columns[start:stop], own.offsets[layer * batch : (layer + 1) * batch + 1] - start, own.d_sae)
            for layer, (start, stop) in enumerate(itertools.pairwise(bounds))
        ]
        return [decode_kept(*part) for part in zip(codes, self.decoder, patterns, strict=True)]

    def _best(self, codes: Tensor, directions: Tensor, wanted: int) -> Tensor:
        if codes.shape[1] <= wanted:
            return codes
        ranked = codes.detach()
        if self.config.rescale_acts_by_decoder_norm:
            ranked = ranked * directions.detach().norm(dim=-1)
        best = ranked.topk(wanted, dim=-1, sorted=False).indices
        return codes * torch.zeros_like(codes).scatter_(1, best, 1.0)
