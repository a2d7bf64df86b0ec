"""ReLU dictionary with an L1 penalty on its codes, weighted by the norms of their directions or plain."""

from typing import Any

import torch
from pydantic import NonNegativeFloat, NonNegativeInt
from torch import Tensor

from mechlab.core.shapes import Codes, Inputs, Targets
from mechlab.dictionaries.dictionary import Dictionary, DictionaryConfig, Losses, StepContext, mean_squared_error
from mechlab.dictionaries.schedules import warmed_up


class ReluConfig(DictionaryConfig):
    """The penalty's weight, over how many steps it grows linearly from zero, and whether norms enter it.

    Without `l1_weighted_by_decoder_norm` the penalty is on the codes themselves; then train with a `unit` decoder, or
    codes shrink while directions grow and the penalty means nothing.
    """

    l1_coefficient: NonNegativeFloat = 1.0
    l1_warm_up_steps: NonNegativeInt = 0
    l1_weighted_by_decoder_norm: bool = True


class ReluDictionary(Dictionary[ReluConfig]):
    """Codes are `relu((x - b_dec) @ W_enc + b_enc)`.

    Source: Bricken et al. 2023, "Towards Monosemanticity", for the plain penalty with directions of norm one; the
    penalty weighted by decoder norms, which leaves the norms free, is Anthropic's "Update on how we train SAEs" (April
    2024) and the only one SAELens has.
    """

    kind = "relu"
    Config = ReluConfig
    dense_codes = 4
    saelens_architectures = ("standard",)
    parallel = frozenset({"rows", "features"})

    def activate(self, pre: Codes) -> Codes:
        """Return the positive part."""
        return pre.relu()

    def sparse_loss(self, inputs: Inputs, targets: Targets, context: StepContext) -> Losses:
        """Return squared error plus the L1 penalty."""
        codes = self.pre_activations(inputs).relu()
        reconstruction = self.peers.joined(codes @ self.W_dec, self.b_dec)
        # Codes are not negative, so the penalty needs only their sums over the batch.
        sums = codes.sum(0)
        l1 = sums @ self.decoder_norms() if self.config.l1_weighted_by_decoder_norm else sums.sum()
        l1 = self.peers.over_features(l1) / inputs.shape[0]
        coefficient = warmed_up(self.config.l1_coefficient, self.config.l1_warm_up_steps, context.step)
        parts = {"mse": mean_squared_error(reconstruction, targets), "l1": coefficient * l1}
        with torch.no_grad():
            on = codes > 0
            return Losses(parts, reconstruction, on.any(0), on.sum() / inputs.shape[0])

    def to_saelens(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """Return a `standard` SAE."""
        return {"architecture": "standard"}, self.saelens_tensors()
