"""Gated dictionary: one path decides which features are on, another how strongly, and both share their weights.

1. One product gives the gate's pre-activations; the magnitudes' are those times `exp(r_mag)`, with a bias of their own.
2. Codes are the magnitudes where the gate is open.
3. The L1 penalty is on the gate alone, so that it does not shrink the magnitudes.
4. The gate's positive parts reconstruct the target too; that error is how the gate learns when to open.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float
from pydantic import Field, NonNegativeFloat, NonNegativeInt
from torch import Tensor

from mechlab.core.shapes import Codes, Inputs, Targets
from mechlab.dictionaries.choosing import above, is_sparse
from mechlab.dictionaries.dense_path import decoded
from mechlab.dictionaries.dictionary import Dictionary, DictionaryConfig, Losses, StepContext, mean_squared_error
from mechlab.dictionaries.gate import Gate, gated
from mechlab.dictionaries.schedules import warmed_up
from mechlab.dictionaries.sparse import Read, decode_kept, encode_kept


class GatedConfig(DictionaryConfig):
    """The L1 penalty on the gate."""

    l1_coefficient: NonNegativeFloat = Field(
        default=1.0, description="Weight of the L1 penalty on the gate's activations."
    )
    l1_warm_up_steps: NonNegativeInt = Field(default=0, description="Steps over which the penalty grows from zero.")

    @property
    def n_parameters(self) -> int:
        """Number of trained numbers, those of the magnitudes' path included."""
        return super().n_parameters + 2 * self.d_sae


@dataclass(frozen=True)
class Paths:
    """What codes and gate reconstruct, the sum of all gates times decoder norms, and which codes are on."""

    reconstruction: Targets
    by_gate: Targets
    gates: Float[Tensor, ""]
    fired: Bool[Tensor, "d_sae"]
    l0: Float[Tensor, ""]


class GatedDictionary(Dictionary[GatedConfig]):
    """Codes are `relu(exp(r_mag) * pre + b_mag)` where the gate `pre + b_gate` is above zero; `b_enc` is the gate's.

    Source: Rajamanoharan et al. 2024, "Improving Dictionary Learning with Gated Sparse Autoencoders", equations 6-8. As
    in SAELens the penalty is weighted by decoder norms instead of holding them at one, and the gate's reconstruction
    trains the decoder as well, which the paper holds still there.
    """

    kind = "gated"
    Config = GatedConfig
    dense_codes = 16
    in_tiles = True
    saelens_architectures = ("gated",)
    row_wise = True
    tiles_at_once = 2
    parallel = frozenset({"rows", "features"})

    def __init__(self, config: GatedConfig, seed: int = 0) -> None:
        super().__init__(config, seed)
        self.r_mag = torch.nn.Parameter(torch.zeros(config.d_sae))
        self.b_mag = torch.nn.Parameter(torch.zeros(config.d_sae))

    @property
    def slope(self) -> Float[Tensor, "d_sae"]:
        """What a magnitude gains per unit of its gate."""
        return self.r_mag.exp()

    @property
    def offset(self) -> Float[Tensor, "d_sae"]:
        """The magnitude at which a gate opens."""
        return self.b_mag - self.b_enc * self.slope

    def activate(self, pre: Codes) -> Codes:
        """Return the magnitudes of open gates."""
        return gated(pre, self.slope, self.offset)

    @torch.no_grad()
    def few_fire(self, inputs: Inputs) -> bool:
        """Return whether so few gates of a few rows are open that the loss should touch only those."""
        return self.peers.has_all_features and is_sparse(self.tiles(inputs))

    def sparse_loss(self, inputs: Inputs, targets: Targets, context: StepContext) -> Losses:
        """Return squared error, the penalty on the gate, and the squared error of what the gate alone reconstructs."""
        paths = self._open_paths(inputs) if context.few_fire else self._all_paths(inputs)
        coefficient = warmed_up(self.config.l1_coefficient, self.config.l1_warm_up_steps, context.step)
        parts = {
            "mse": mean_squared_error(paths.reconstruction, targets),
            "l1": coefficient * self.peers.over_features(paths.gates) / inputs.shape[0],
            "gate": mean_squared_error(paths.by_gate, targets),
        }
        return Losses(parts, paths.reconstruction, paths.fired, paths.l0)

    def _all_paths(self, inputs: Inputs) -> Paths:
        both, sums, counts = decoded(inputs, Gate(), self.weights, (self.slope, self.offset))
        reconstruction, by_gate = self.peers.joined(both, self.b_dec).tensor_split(2)
        return Paths(reconstruction, by_gate, sums @ self.decoder_norms(), counts > 0, counts.sum() / inputs.shape[0])

    def _open_paths(self, inputs: Inputs) -> Paths:
        with torch.no_grad():
            tiles = self.tiles(inputs)
            chosen = above(tiles, 0.0)
        kept = chosen.kept
        gates = encode_kept(self.encoder, self.b_enc, self.centre, Read(chosen.contributions, tiles.centred, kept))
        codes = torch.addcmul(self.offset[kept.columns], gates, self.slope[kept.columns]).relu()
        reconstruction, by_gate = (decode_kept(values, self.W_dec, kept) + self.b_dec for values in (codes, gates))
        weighted = (gates * self.decoder_norms()[kept.columns]).sum()
        return Paths(reconstruction, by_gate, weighted, *kept.fired(codes.detach()))

    @torch.no_grad()
    def fold_decoder_norms(self) -> None:
        """Fold the norms into the encoder and both biases."""
        self.b_mag.mul_(self.decoder_norms().clamp(min=1e-8))
        super().fold_decoder_norms()

    def to_saelens(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """Return a `gated` SAE, in which the gate's bias is `b_gate`."""
        tensors = self.saelens_tensors()
        own = {
            "b_gate": tensors.pop("b_enc"),
            "r_mag": self.r_mag.detach().clone(),
            "b_mag": self.b_mag.detach().clone(),
        }
        return {"architecture": "gated"}, {**tensors, **own}

    def load_saelens(self, tensors: Mapping[str, Tensor]) -> None:
        """Take the parameters; the gate's bias is `b_gate` there."""
        super().load_saelens({**tensors, "b_enc": tensors["b_gate"]})
