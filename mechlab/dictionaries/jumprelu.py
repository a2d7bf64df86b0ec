"""JumpReLU dictionary: each feature has its own learned threshold below which its code is zero."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

import torch
from jaxtyping import Bool, Float
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, field_validator
from torch import Tensor

from mechlab.core.shapes import Codes, Inputs, Targets
from mechlab.dictionaries.centred_linear import centred_linear, summed
from mechlab.dictionaries.choosing import above, is_sparse
from mechlab.dictionaries.dictionary import Dictionary, DictionaryConfig, Losses, StepContext, mean_squared_error
from mechlab.dictionaries.jump import jumped_and_on
from mechlab.dictionaries.schedules import warmed_up
from mechlab.dictionaries.sparse import Read, decode_kept, encode_kept
from mechlab.dictionaries.tiles import Tiles

ABOUT_PENALTY = "On what: step, the number of codes; tanh, a smooth form of it; quadratic, its distance from target_l0."


class JumpReluConfig(DictionaryConfig):
    """The thresholds, the straight-through window by which they learn, and the penalty."""

    jumprelu_init_threshold: NonNegativeFloat = Field(
        default=0.01, description="Threshold of every feature at the start."
    )
    jumprelu_bandwidth: PositiveFloat = Field(default=0.05, description="Width of the straight-through window.")
    jumprelu_sparsity_loss_mode: Literal["step", "tanh", "quadratic"] = Field(default="step", description=ABOUT_PENALTY)
    jumprelu_tanh_scale: PositiveFloat = Field(default=4.0, description="Steepness of the tanh penalty.")
    jumprelu_ste_to_input: bool = Field(default=False, description="Let the window's gradient reach the encoder too.")
    l0_coefficient: NonNegativeFloat = Field(default=1.0, description="Weight of the penalty.")
    l0_warm_up_steps: NonNegativeInt = Field(default=0, description="Steps over which the penalty grows from zero.")
    pre_act_loss_coefficient: NonNegativeFloat | None = Field(
        default=None, description="Weight of the pull of dead features up to their threshold. Left out: none."
    )
    target_l0: PositiveFloat | None = Field(
        default=None, description="Codes per vector that the quadratic penalty aims at."
    )

    @field_validator("target_l0")
    @classmethod
    def _target_fits(cls, value: float | None, info: Any) -> float | None:
        if value is None and info.data.get("jumprelu_sparsity_loss_mode") == "quadratic":
            raise ValueError("the quadratic penalty needs a target_l0")
        if value is not None and value > info.data.get("d_sae", value):
            raise ValueError(f"target_l0 is at most d_sae = {info.data['d_sae']}")
        return value


class JumpReluDictionary(Dictionary[JumpReluConfig]):
    """Codes are `pre * (pre > threshold)`; the threshold learns by straight-through estimates.

    Source: Rajamanoharan et al. 2024, "Jumping Ahead", equations 9-12 (`step`); Anthropic, "Dictionary learning
    optimization techniques" (January 2025) for `tanh`; Gemma Scope 2 for `quadratic`. The threshold itself is
    learned, not its logarithm, and kept at or above zero by projection.
    """

    kind = "jumprelu"
    Config = JumpReluConfig
    dense_codes = 20
    in_tiles = True
    saelens_architectures = ("jumprelu",)
    row_wise = True
    estimated_gradients = frozenset({"threshold"})
    parallel = frozenset({"rows", "features"})

    def __init__(self, config: JumpReluConfig, seed: int = 0) -> None:
        super().__init__(config, seed)
        self.threshold = torch.nn.Parameter(torch.full((config.d_sae,), config.jumprelu_init_threshold))

    def activate(self, pre: Codes) -> Codes:
        """Return the positive pre-activations above their feature's threshold."""
        return pre.relu() * (pre > self.threshold)

    @torch.no_grad()
    def few_fire(self, inputs: Inputs) -> bool:
        """Return whether so few pre-activations come near their threshold that the loss should touch only those."""
        return self.peers.has_all_features and is_sparse(self._near_threshold(inputs))

    def sparse_loss(self, inputs: Inputs, targets: Targets, context: StepContext) -> Losses:
        """Return squared error plus the sparsity penalty, plus the pull on dead features."""
        config = self.config
        window = config.jumprelu_bandwidth, config.jumprelu_ste_to_input
        if context.few_fire:
            read = self._read_near_threshold(inputs)
            pre = encode_kept(self.encoder, self.b_enc, self.centre, read)
            codes, on = jumped_and_on(pre, self.threshold[read.kept.columns], *window)
            reconstruction = decode_kept(codes, self.W_dec, read.kept) + self.b_dec
            counts = codes.new_zeros(len(inputs)).index_add(0, read.kept.rows, on)
            norms, (fired, _) = self.decoder_norms()[read.kept.columns], read.kept.fired(codes.detach())
        else:
            pre = self.pre_activations(inputs)
            codes, counts = jumped_and_on(pre, self.threshold, *window)
            reconstruction = self.peers.joined(summed(codes, self.W_dec), self.b_dec)
            norms, fired = self.decoder_norms(), codes.detach().amax(0) > 0
        coefficient = warmed_up(config.l0_coefficient, config.l0_warm_up_steps, context.step)
        penalty = self._penalty(codes, norms, counts)
        parts = {"mse": mean_squared_error(reconstruction, targets), "l0": coefficient * penalty}
        if config.pre_act_loss_coefficient is not None:
            parts["pre_act"] = config.pre_act_loss_coefficient * self._pull(inputs, context.dead)
        return Losses(parts, reconstruction, fired, counts.detach().mean())

    @torch.no_grad()
    def after_step(self, losses: Losses) -> None:
        """Keep thresholds at or above zero: below it, negative codes would pass."""
        self.threshold.clamp_(min=0.0)

    @torch.no_grad()
    def fold_decoder_norms(self) -> None:
        """Fold the norms into the encoder, and with it into the thresholds."""
        self.threshold.mul_(self.decoder_norms().clamp(min=1e-8))
        super().fold_decoder_norms()

    def to_saelens(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """Return a `jumprelu` SAE."""
        return {"architecture": "jumprelu"}, {**self.saelens_tensors(), "threshold": self.threshold.detach().clone()}

    def load_saelens(self, tensors: Mapping[str, Tensor]) -> None:
        """Take the parameters; old checkpoints hold the threshold's logarithm."""
        old = {"threshold": tensors["log_threshold"].exp()} if "log_threshold" in tensors else {}
        super().load_saelens({**tensors, **old})

    def _penalty(self, codes: Tensor, norms: Tensor, counts: Float[Tensor, "batch"]) -> Float[Tensor, ""]:
        config = self.config
        if config.jumprelu_sparsity_loss_mode == "tanh":
            smooth = (config.jumprelu_tanh_scale * codes * norms).tanh().sum()
            return self.peers.over_features(smooth) / len(counts)
        l0 = self.peers.over_features(counts)
        if config.jumprelu_sparsity_loss_mode == "step":
            return l0.mean()
        assert config.target_l0 is not None, "a quadratic config has a target"
        return (2 / config.target_l0 * (l0 - config.target_l0).square()).mean()

    def _pull(self, inputs: Inputs, dead: Bool[Tensor, "d_sae"]) -> Float[Tensor, ""]:
        features = dead.nonzero().squeeze(1)
        pre = centred_linear(inputs, self.encoder[features], self.b_enc[features], self.centre)
        short = (self.threshold[features] - pre).relu() * self.decoder_norms()[features]
        return self.peers.over_features(short.sum(-1)).mean()

    def _near_threshold(self, inputs: Inputs) -> Tiles:
        """Return how far pre-activations lie above the lower edge of the window around their threshold."""
        return replace(self.tiles(inputs), b_enc=self.b_enc - self.threshold + self.config.jumprelu_bandwidth / 2)

    @torch.no_grad()
    def _read_near_threshold(self, inputs: Inputs) -> Read:
        tiles = self._near_threshold(inputs)
        chosen = above(tiles, 0.0)
        edge = (self.threshold - self.config.jumprelu_bandwidth / 2)[chosen.kept.columns]
        return Read(chosen.contributions + edge, tiles.centred, chosen.kept)
