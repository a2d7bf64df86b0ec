"""Cross-layer transcoders: a code at layer l reads that layer and writes to the MLP outputs of all layers from l on.

1. Encode each layer's input by its own features; the activation decides which codes are on.
2. The reconstruction of a layer's MLP output sums what all features up to that layer write to it.
3. The loss is the squared error of all layers' outputs together, plus a penalty on codes, or the choice of the largest
   codes, both measured by the norm of all directions of a feature put end to end.
"""

from collections.abc import Mapping
from typing import Any, Literal, TypeVar

import torch
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, field_validator

from mechlab.core.shapes import Codes, Inputs, Targets
from mechlab.dictionaries.batchtopk import BatchTopKConfig, BatchTopKDictionary
from mechlab.dictionaries.crosslayer import Crosslayer, CrosslayerConfig
from mechlab.dictionaries.crosslayer_kept import KeptCrosslayer
from mechlab.dictionaries.dictionary import Losses, StepContext, mean_squared_error
from mechlab.dictionaries.jump import jumped_and_on
from mechlab.dictionaries.jumprelu import ABOUT_PENALTY, JumpReluConfig, JumpReluDictionary
from mechlab.dictionaries.own_folder import OwnFolder
from mechlab.dictionaries.schedules import warmed_up
from mechlab.dictionaries.topk import TopKConfig, TopKDictionary

Number = TypeVar("Number", int, float)


class CrosslayerTranscoderConfig(JumpReluConfig, CrosslayerConfig):
    """A cross-layer transcoder with learned thresholds, by default under the `tanh` penalty.

    Unlike `step`, which moves thresholds alone, `tanh` shrinks codes too, so its usual weight is smaller.
    """

    jumprelu_sparsity_loss_mode: Literal["step", "tanh", "quadratic"] = Field(default="tanh", description=ABOUT_PENALTY)
    l0_coefficient: NonNegativeFloat = Field(default=0.1, description="Weight of the penalty.")


class TopKCrosslayerConfig(TopKConfig, CrosslayerConfig):
    """How many codes are kept."""

    k: PositiveInt = Field(default=32, description="Codes kept per vector at each layer.")

    @field_validator("k")
    @classmethod
    def _k_fits(cls, value: int, info: Any) -> int:
        return fitting_k(value, info.data)


class BatchTopKCrosslayerConfig(BatchTopKConfig, CrosslayerConfig):
    """How many codes are kept; a batch shares them out among its vectors and layers."""

    k: PositiveFloat = Field(default=32.0, description="Codes kept per vector and layer, on average over the batch.")

    @field_validator("k")
    @classmethod
    def _k_fits(cls, value: float, info: Any) -> float:
        return fitting_k(value, info.data)


def fitting_k(k: Number, known: Mapping[str, Any]) -> Number:
    """Return k, refusing one above the number of a layer's features."""
    most = known["d_sae"] // known["n_layers"] if {"d_sae", "n_layers"} <= known.keys() else k
    if k > most:
        raise ValueError(f"k is at most the features of one layer, d_sae / n_layers = {most}")
    return k


class CrosslayerTranscoder(OwnFolder, JumpReluDictionary, Crosslayer):
    """The cross-layer transcoder as published: JumpReLU codes, a smooth penalty on how many are on.

    Source: Ameisen et al. 2025, "Circuit Tracing: Revealing Computational Graphs in Language Models", "From Cross-Layer
    Transcoder to Replacement Model": the squared errors of all layers are summed; the penalty is
    `sum tanh(c * ||W_dec|| * code)`. Learning of the thresholds and the pull on dead features are those of `jumprelu`.
    """

    kind = "crosslayer_transcoder"
    Config = CrosslayerTranscoderConfig
    saelens_architectures = ("crosslayer",)
    parallel = frozenset({"rows"})
    dense_codes, in_tiles, row_wise = 7, False, False

    def few_fire(self, inputs: Inputs) -> bool:
        """Return False: a layer's features read a part of the input only, in dense products."""
        return False

    def sparse_loss(self, inputs: Inputs, targets: Targets, context: StepContext) -> Losses:
        """Return squared error plus the sparsity penalty, plus the pull on dead features."""
        config = self.config
        pre = self.pre_activations(inputs)
        codes, counts = jumped_and_on(pre, self.threshold, config.jumprelu_bandwidth, config.jumprelu_ste_to_input)
        reconstruction = self.decode(codes)
        coefficient = warmed_up(config.l0_coefficient, config.l0_warm_up_steps, context.step)
        penalty = self._penalty(codes, self.decoder_norms(), counts)
        parts = {"mse": mean_squared_error(reconstruction, targets), "l0": coefficient * penalty}
        if config.pre_act_loss_coefficient is not None:
            short = (self.threshold - pre).relu() * context.dead * self.decoder_norms()
            parts["pre_act"] = config.pre_act_loss_coefficient * short.sum(-1).mean()
        return Losses(parts, reconstruction, codes.detach().amax(0) > 0, counts.detach().mean())


class TopKCrosslayerTranscoder(OwnFolder, KeptCrosslayer, TopKDictionary):
    """The k codes of each layer that contribute most are kept, then rectified.

    Source: Gao et al. 2024, "Scaling and evaluating sparse autoencoders", section 2.3, layer by layer.
    """

    kind = "topk_crosslayer_transcoder"
    Config = TopKCrosslayerConfig
    saelens_architectures = ("topk_crosslayer",)
    parallel = frozenset({"rows"})

    def activate(self, pre: Codes) -> Codes:
        """Return the k largest codes of each row and layer."""
        by_layer = self.layer_codes(self.contributions(pre))
        best = by_layer.topk(self.config.k, dim=-1, sorted=False)
        return torch.zeros_like(by_layer).scatter(-1, best.indices, best.values.relu()).flatten(-2)


class BatchTopKCrosslayerTranscoder(OwnFolder, KeptCrosslayer, BatchTopKDictionary):
    """The codes of a batch, all layers together, that contribute most are kept.

    Source: Bussmann et al. 2024, "BatchTopK Sparse Autoencoders", section 3; with one choice for all layers, those that
    need more codes get more.
    """

    kind = "batchtopk_crosslayer_transcoder"
    Config = BatchTopKCrosslayerConfig
    saelens_architectures = ("batchtopk_crosslayer",)
    parallel = frozenset({"rows"})
