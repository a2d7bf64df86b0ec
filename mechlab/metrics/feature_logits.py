"""Which next tokens every feature promotes and suppresses, and how far a direction without meaning gets.

1. A feature's direction is what a code of 1 adds to the residual stream, at all sites it writes to together.
2. Its direct effect on the logits goes through the final norm's gain and the unembedding; the extremes are kept.
3. Random directions of equal norm have extremes too: what they reach in 95 of 100 cases is the null.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor

from mechlab.core.randomness import torch_generator
from mechlab.core.shapes import Tokens
from mechlab.interventions.splice import Codec
from mechlab.metrics.logit_effects import divisor, effects_at
from mechlab.models.language_model import LanguageModel
from mechlab.models.route import Route
from mechlab.models.sites import writes_to_the_stream

ADDED_KINDS = ("attn_out", "mlp_out")
N_RANDOM, RATE = 1000, 0.95
NUMBERS_AT_ONCE = 1 << 24


@dataclass(frozen=True, eq=False)
class LogitExtremes:
    """The tokens whose logits each feature raises and lowers most, in nats per unit of activation.

    Attributes:
        by_chance: the effect that 95 of 100 random directions of the feature's norm do not exceed on any token.
    """

    top: Int[Tensor, "n_features n_tokens"]
    top_values: Float[Tensor, "n_features n_tokens"]
    bottom: Int[Tensor, "n_features n_tokens"]
    bottom_values: Float[Tensor, "n_features n_tokens"]
    by_chance: Float64[Tensor, "n_features"]


@torch.no_grad()
def written_directions(dictionary: Codec, n_features: int) -> Iterator[tuple[int, Float[Tensor, "n d_out"]]]:
    """Yield the first feature of a part, and what a code of 1 of each adds to the reconstruction.

    Args:
        dictionary: whose features.
        n_features: how many it has.
    """
    at_once = max(1, NUMBERS_AT_ONCE // n_features)
    for start in range(0, n_features, at_once):
        n = min(at_once, n_features - start)
        codes = torch.zeros(n + 1, n_features)
        codes[torch.arange(n), start + torch.arange(n)] = 1
        device = next(dictionary.parameters()).device if isinstance(dictionary, torch.nn.Module) else None
        decoded = dictionary.decode(codes.to(device))
        yield start, decoded[:-1] - decoded[-1]


@dataclass(frozen=True, eq=False)
class Unembedding:
    """How effects on the logits are read: the model, tokens on which its final norm is measured, the null's seed."""

    model: LanguageModel
    sample: Tokens
    seed: int = 0


@torch.no_grad()
def logit_extremes(
    through: Unembedding, dictionary: Codec, n_features: int, route: Route, n_tokens: int
) -> LogitExtremes | None:
    """Return the extremes of every feature's direct effect; None where what is rebuilt is not added to the stream.

    Source: nostalgebraist 2020, "interpreting GPT: the logit lens", applied to a direction instead of a state; the
    null of random directions is ours.
    """
    n_sites = len(route.rebuilt)
    if not all(map(writes_to_the_stream, route.rebuilt)):
        return None
    if n_sites > 1 and not all(site.kind in ADDED_KINDS for site in route.rebuilt):
        return None
    model, parts, norms = through.model, [], []
    divided_by = divisor(model, through.sample)
    for _, written in written_directions(dictionary, n_features):
        added = written.unflatten(1, (n_sites, -1)).sum(1)
        parts += [_extremes(effects, n_tokens) for effects in _in_parts(model, added, divided_by)]
        norms.append(added.norm(dim=1).double().cpu())
    top, top_values, bottom, bottom_values = (torch.cat(columns) for columns in zip(*parts, strict=True))
    by_chance = torch.cat(norms) * largest_by_chance(model, divided_by, through.seed)
    return LogitExtremes(top, top_values, bottom, bottom_values, by_chance)


def largest_by_chance(model: LanguageModel, divided_by: float, seed: int) -> float:
    """Return the effect, in nats, that 95 of 100 random directions of norm 1 do not exceed on any token."""
    draw = torch_generator(seed, "random directions for logits")
    drawn = torch.randn(N_RANDOM, model.spec.d_model, generator=draw)
    unit = drawn / drawn.norm(dim=1, keepdim=True)
    largest = torch.cat([effects.amax(1).cpu() for effects in _in_parts(model, unit, divided_by)])
    return float(largest.double().quantile(RATE))


def _in_parts(model: LanguageModel, directions: Tensor, divided_by: float) -> Iterator[Tensor]:
    for some in directions.split(max(1, NUMBERS_AT_ONCE // model.spec.d_vocab)):
        yield effects_at(model, some, divided_by)


def _extremes(effects: Float[Tensor, "n d_vocab"], n_tokens: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    n = min(n_tokens, effects.shape[1])
    top, bottom = effects.topk(n, dim=1), effects.topk(n, dim=1, largest=False)
    return tuple(one.cpu() for one in (top.indices.int(), top.values, bottom.indices.int(), bottom.values))  # type: ignore[return-value]
