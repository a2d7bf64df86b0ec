"""Steer: add a direction to the activation of every position, in forward passes and while text is generated.

1. The direction, times the strength, is added at the site to whatever positions a pass computes.
2. A cached generation first passes over the prompt, then over one new position at a time: each position is steered
   exactly once, as it would be if everything were computed again.
3. Strength 0 registers nothing, so the model is bit for bit the unsteered one.
"""

import math
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from mechlab.core.errors import UsageError
from mechlab.core.randomness import torch_generator
from mechlab.core.shapes import Tokens
from mechlab.models.language_model import LanguageModel
from mechlab.models.sites import Site


@runtime_checkable
class Decoder(Protocol):
    """Whatever makes vectors of codes, one row of `W_dec` per feature."""

    @property
    def W_dec(self) -> Float[Tensor, "d_sae d_out"]:
        """One direction per feature."""
        ...

    def decode(self, codes: Float[Tensor, "*batch d_sae"]) -> Float[Tensor, "*batch d_out"]:
        """Return the vectors that codes stand for."""
        ...


@dataclass(frozen=True, eq=False)
class Steering:
    """A direction to add at a site, and how much of it."""

    site: str | Site
    direction: Float[Tensor, "d_site"]
    strength: float


@dataclass(frozen=True, eq=False)
class GeneratedPair:
    """The same prompts continued twice, without and with steering, from the same draws."""

    base: Tokens
    steered: Tokens


def steer(
    model: LanguageModel, site: str | Site, direction: Float[Tensor, "d_site"], strength: float
) -> AbstractContextManager[None]:
    """Return a context in which `strength * direction` is added at the site, at every position of every pass.

    Args:
        model: the model to edit.
        site: where.
        direction: what to add.
        strength: in units of the direction's own norm; negative steers away, 0 changes nothing at all.

    Raises:
        UsageError: the strength or direction is not finite; at the first pass, the direction does not fit the site.
    """
    if not (math.isfinite(strength) and bool(direction.isfinite().all())):
        raise UsageError("cannot steer by what is not finite", value=strength, remedy="Check direction and strength.")
    if strength == 0:
        return nullcontext()

    def add(activation: Tensor) -> Tensor:
        if activation.shape[-1] != len(direction):
            remedy = f"{site} has width {activation.shape[-1]}."
            raise UsageError("direction does not fit the site", value=len(direction), remedy=remedy)
        return activation + (strength * direction).to(activation)

    return model.edit({site: add})


@torch.no_grad()
def feature_direction(dictionary: Decoder, feature: int, *, unit: bool = True) -> Float[Tensor, "d_out"]:
    """Return what a feature adds to the reconstruction, scaled to norm 1.

    Args:
        dictionary: whose feature.
        feature: its number.
        unit: False leaves the norm: what one unit of the feature's activation adds.

    Raises:
        UsageError: the dictionary has no such feature, or its direction is zero and cannot have norm 1.
    """
    n_features = len(dictionary.W_dec)
    if not 0 <= feature < n_features:
        raise UsageError("no such feature", value=feature, remedy=f"Features are 0..{n_features - 1}.")
    codes = torch.zeros(2, n_features, dtype=dictionary.W_dec.dtype, device=dictionary.W_dec.device)
    codes[0, feature] = 1
    one, none = dictionary.decode(codes)
    norm = (one - none).norm()
    if unit and norm == 0:
        raise UsageError("feature has no direction", value=feature, remedy="Its decoder row is zero; take another.")
    return (one - none) / norm if unit else one - none


@torch.no_grad()
def generate_pair(
    model: LanguageModel, tokens: Tokens, n_tokens: int, steering: Steering, *, temperature: float = 0.0, seed: int = 0
) -> GeneratedPair:
    """Return the prompts continued without and with steering; both draw from equal generators.

    Args:
        model: the model to generate with.
        tokens: prompts of one length.
        n_tokens: how many tokens to add.
        steering: what to add where.
        temperature: 0 takes the most likely token.
        seed: of the draws, above temperature 0.
    """

    def continued() -> Tokens:
        generator = torch_generator(seed, "generation", model.device) if temperature > 0 else None
        return model.generate(tokens, n_tokens, temperature=temperature, generator=generator)

    base = continued()
    with steer(model, steering.site, steering.direction, steering.strength):
        return GeneratedPair(base, continued())
