"""JumpReLU dictionary: each feature has its own learned threshold below which its code is zero."""

from collections.abc import Mapping
from typing import Any, Literal

import torch
from jaxtyping import Float
from pydantic import NonNegativeFloat, NonNegativeInt, PositiveFloat, field_validator
from torch import Tensor

from mechlab.core.shapes import Codes, Inputs, Targets
from mechlab.dictionaries.dictionary import Dictionary, DictionaryConfig, Losses, StepContext, mean_squared_error
from mechlab.dictionaries.jump import jumped, switched_on
from mechlab.dictionaries.schedules import warmed_up


class JumpReluConfig(DictionaryConfig):
    """The threshold's start, the width of its straight-through window, and the penalty.

    `step` penalises the number of codes, `tanh` a smooth form of it weighted by decoder norms, `quadratic` its
    distance from `target_l0`. `pre_act_loss_coefficient` pulls dead features up to their threshold; None switches it
    off. `jumprelu_ste_to_input` lets the window's gradient reach the encoder too.
    """

    jumprelu_init_threshold: NonNegativeFloat = 0.01
    jumprelu_bandwidth: PositiveFloat = 0.05
    jumprelu_sparsity_loss_mode: Literal["step", "tanh", "quadratic"] = "step"
    jumprelu_tanh_scale: PositiveFloat = 4.0
    jumprelu_ste_to_input: bool = False
    l0_coefficient: NonNegativeFloat = 1.0
    l0_warm_up_steps: NonNegativeInt = 0
    pre_act_loss_coefficient: NonNegativeFloat | None = None
    target_l0: PositiveFloat | None = None

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
    dense_codes = 6
    saelens_architectures = ("jumprelu",)
    estimated_gradients = frozenset({"threshold"})
    parallel = frozenset({"rows", "features"})

    def __init__(self, config: JumpReluConfig, seed: int = 0) -> None:
        super().__init__(config, seed)
        self.threshold = torch.nn.Parameter(torch.full((config.d_sae,), config.jumprelu_init_threshold))

    def activate(self, pre: Codes) -> Codes:
        """Return the positive pre-activations above their feature's threshold."""
        return pre.relu() * (pre > self.threshold)

    def sparse_loss(self, inputs: Inputs, targets: Targets, context: StepContext) -> Losses:
        """Return squared error plus the sparsity penalty, plus the pull on dead features."""
        config = self.config
        pre = self.pre_activations(inputs)
        codes = jumped(pre, self.threshold, config.jumprelu_bandwidth, config.jumprelu_ste_to_input)
        reconstruction = self.peers.joined(codes @ self.W_dec, self.b_dec)
        coefficient = warmed_up(config.l0_coefficient, config.l0_warm_up_steps, context.step)
        parts = {
            "mse": mean_squared_error(reconstruction, targets),
            "l0": coefficient * self._penalty(pre, codes),
        }
        if config.pre_act_loss_coefficient is not None:
            short = (self.threshold - pre).relu() * context.dead * self.decoder_norms()
            parts["pre_act"] = config.pre_act_loss_coefficient * self.peers.over_features(short.sum(-1)).mean()
        with torch.no_grad():
            on = codes > 0
            return Losses(parts, reconstruction, on.any(0), on.sum() / inputs.shape[0])

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

    def _penalty(self, pre: Codes, codes: Codes) -> Float[Tensor, ""]:
        config = self.config
        if config.jumprelu_sparsity_loss_mode == "tanh":
            smooth = (config.jumprelu_tanh_scale * codes * self.decoder_norms()).tanh().sum(-1)
            return self.peers.over_features(smooth).mean()
        on = switched_on(pre, self.threshold, config.jumprelu_bandwidth, config.jumprelu_ste_to_input)
        l0 = self.peers.over_features(on.sum(-1))
        if config.jumprelu_sparsity_loss_mode == "step":
            return l0.mean()
        assert config.target_l0 is not None, "a quadratic config has a target"
        return (2 / config.target_l0 * (l0 - config.target_l0).square()).mean()
