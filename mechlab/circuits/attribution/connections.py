"""What features of one layer add to features of a later one by one way: what weights fix, times what the prompt does.

1. By weights: the later feature's direction, through a head or straight, pulled back to the earlier layer.
2. By the prompt: codes, the share of the pattern, and the norms' divisors.
3. Their product is the effect in the pass, exactly.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mechlab.circuits.attribution.frozen_pass import FrozenPass
from mechlab.circuits.attribution.targets import position_of
from mechlab.circuits.attribution.weight_views import feature_directions, pullback, through_head
from mechlab.core.errors import UsageError
from mechlab.models.language_model import LanguageModel
from mechlab.models.sites import Head


@dataclass(frozen=True, eq=False)
class Connections:
    """What features of a layer add to later features by one way.

    Attributes:
        invariant: what weights fix, for every later and earlier feature.
        dependent: what the prompt does, for every position of the earlier feature.
    """

    invariant: Float[Tensor, "n n_features"]
    dependent: Float[Tensor, "n pos n_features"]

    @property
    def effects(self) -> Float[Tensor, "n pos n_features"]:
        """Return the effects, in the later features' units before their nonlinearity."""
        return self.invariant[:, None] * self.dependent


@torch.no_grad()
def connections(
    model: LanguageModel,
    frozen: FrozenPass,
    layer: int,
    chosen: Sequence[tuple[int, int]],
    source: int,
    *,
    head: Head | None = None,
) -> Connections:
    """Return what the features of an earlier layer add to some of a later one, straight or through one head.

    Args:
        model: whose pass it is.
        frozen: the pass.
        layer: the later layer.
        chosen: number and position of each later feature.
        source: the earlier layer.
        head: through which head; None is straight, at the same token.

    Raises:
        UsageError: the head does not stand between the layers, or there is no such position.

    Source: Dunefsky et al. 2024, "Transcoders Find Interpretable LLM Feature Circuits" (input-invariant and
    input-dependent factors). Their constant of a norm is a ratio; ours is its divisor.
    """
    last = layer if head is None else head[0]
    if not source < last <= layer or (head is not None and last == layer and frozen.spec.parallel):
        remedy = "Give layers in the order of the pass: source, head, layer."
        raise UsageError("way does not lead from one layer to the other", value=f"{source} to {layer}", remedy=remedy)
    places = torch.tensor([position_of(frozen, place) for _, place in chosen], device=frozen.final.device)
    directions = feature_directions(model, frozen.transcoders, layer, [feature for feature, _ in chosen])
    held = _held(frozen, layer, places, head)
    codes = frozen.transcoders.codes(source, frozen.layers[source].read).clone()
    if frozen.has_bos:
        codes[0] = 0
    read = directions if head is None else through_head(model, directions, head)
    return Connections(pullback(frozen.transcoders, read, source, before=last), held[:, :, None] * codes)


def _held(frozen: FrozenPass, layer: int, places: Int[Tensor, "n"], head: Head | None) -> Float[Tensor, "n pos"]:
    """Return the factors of the pass from every position to those of later features."""
    divisor = frozen.layers[layer].read_divisor
    straight = frozen.final.new_zeros(len(places), frozen.n_pos)
    straight[torch.arange(len(places), device=places.device), places] = 1
    below = straight if divisor is None else straight / divisor[places]
    if head is None:
        return below
    own = frozen.layers[head[0]]
    below = below if own.ln1_post is None else below / own.ln1_post[places]
    return below.sum(-1, keepdim=True) * own.pattern[head[1], places] / own.ln1[:, 0]
