"""Why a head looks where it looks: its score as a sum over pairs of what the query and what the key are made of.

1. Before the head, the stream at the query's position is a sum of sources and biases, and so is the query; the key is
   one likewise. Divisors of norms stay what they were.
2. Query and key are turned by their positions, where the model does so.
3. The score is their product: the sum of what every source of one side does with every source of the other.
4. Why there rather than elsewhere: the difference of two keys takes the place of the key.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from mechlab.circuits.attribution.frozen_pass import FrozenPass
from mechlab.circuits.attribution.naming import source_node
from mechlab.circuits.attribution.rows import attributed
from mechlab.circuits.attribution.sources import Sources, sources_of
from mechlab.circuits.attribution.streams import streams
from mechlab.circuits.attribution.targets import Targets, position_of
from mechlab.core.errors import UsageError
from mechlab.models.language_model import LanguageModel
from mechlab.models.rotation import turn
from mechlab.models.score_scale import score_scale
from mechlab.models.sites import Head

AT_ONCE = 1024
Parts = Float[Tensor, "n_parts d_head"]


@dataclass(frozen=True)
class ScorePair:
    """What a part of the query and a part of the key add to a score together; parts are named as nodes, or `bias`."""

    query: str
    key: str
    effect: float


@dataclass(frozen=True, eq=False)
class QKAttribution:
    """A score as a sum over pairs: a part for each source of the pass, and the last for biases.

    Attributes:
        query: what every part adds to the query, turned and scaled.
        key: what every part adds to the key, or to the difference of two keys, turned.
        score: what it was in the pass, before a soft cap.
    """

    sources: Sources
    query: Parts
    key: Parts
    score: float

    @cached_property
    def by_query(self) -> Float[Tensor, "n_parts"]:
        """Return what every part of the query adds, with the whole key."""
        return self.query @ self.key.sum(0)

    @cached_property
    def by_key(self) -> Float[Tensor, "n_parts"]:
        """Return what every part of the key adds, with the whole query."""
        return self.key @ self.query.sum(0)

    @property
    def missing(self) -> float:
        """Return what is left of the score: rounding."""
        return self.score - float(self.by_query.sum())

    def name(self, part: int) -> str:
        """Return the name of a part."""
        return "bias" if part == self.sources.n_columns else source_node(self.sources, part).name

    def top_pairs(self, n: int = 20, *, of: Literal["all", "features"] = "all") -> tuple[ScorePair, ...]:
        """Return the pairs that add most, whatever their sign, the largest first.

        Args:
            n: how many.
            of: which parts are paired.
        """
        last = len(self.query) if of == "all" else self.sources.starts["errors"]
        best, places = self.query.new_zeros(0), torch.zeros(0, 2, dtype=torch.long, device=self.query.device)
        for rows, effects in self._pairs(last):
            own = effects.flatten().abs().topk(min(n, effects.numel())).indices
            found = torch.stack([own // last + rows.start, own % last], 1)
            best, places = torch.cat([best, effects.flatten()[own]]), torch.cat([places, found])
            order = best.abs().argsort(descending=True, stable=True)[:n]
            best, places = best[order], places[order]
        told = zip(places.tolist(), best.tolist(), strict=True)
        return tuple(ScorePair(self.name(query), self.name(key), effect) for (query, key), effect in told)

    def _pairs(self, last: int) -> Iterator[tuple[slice, Tensor]]:
        for start in range(0, last, AT_ONCE):
            rows = slice(start, min(start + AT_ONCE, last))
            yield rows, self.query[rows] @ self.key[:last].T


@torch.no_grad()
def qk_attribution(
    model: LanguageModel,
    frozen: FrozenPass,
    head: Head,
    *,
    query: int = -1,
    key: int,
    against: int | None = None,
) -> QKAttribution:
    """Return a head's attention score, before its softmax, as a sum over pairs of sources.

    Args:
        model: whose pass it is.
        frozen: the pass.
        head: layer and head.
        query: the position that looks, counted from the end if negative.
        key: the position looked at.
        against: another position: the score there is subtracted.

    Raises:
        UsageError: there is no such head or position, a key stands behind the query, or the model is not Hugging
            Face's.

    Source: attention scores as sums over pairs of features follow Anthropic's 2025 work on attention; biases, errors,
    tokens, positions, rotations, and that the sum is the score, are ours.
    """
    _refuse_no_head(frozen, head)
    places = [position_of(frozen, place) for place in (query, key, *(() if against is None else (against,)))]
    if max(places[1:]) > places[0]:
        remedy = f"Give keys at 0..{places[0]}."
        raise UsageError("key stands behind the query", value=max(places[1:]), remedy=remedy)
    sources = sources_of(frozen)
    stream = streams(frozen, sources).pre[head[0]][0]
    looking, looked_at = (_Side(model, frozen, sources, stream, head, mode) for mode in ("q", "k"))
    keys, whole = (found(places[1]) for found in (looked_at.parts, looked_at.whole))
    if against is not None:
        keys, whole = keys - looked_at.parts(places[2]), whole - looked_at.whole(places[2])
    scale = score_scale(model, head[0])
    score = float(looking.whole(places[0]) @ whole) * scale
    return QKAttribution(sources, looking.parts(places[0]) * scale, keys, score)


def _refuse_no_head(frozen: FrozenPass, head: Head) -> None:
    spec = frozen.spec
    if not (0 <= head[0] < spec.n_layers and 0 <= head[1] < spec.n_heads):
        remedy = f"Layers are 0..{spec.n_layers - 1}, heads 0..{spec.n_heads - 1}."
        raise UsageError("this model has no such head", value=f"{head[0]}.{head[1]}", remedy=remedy)


@dataclass(frozen=True, eq=False)
class _Side:
    """A head's queries or keys: whole, and by what they are made of; `stream` is what its layer's heads read."""

    model: LanguageModel
    frozen: FrozenPass
    sources: Sources
    stream: Float[Tensor, "pos d_model"]
    head: Head
    mode: Literal["q", "k"]

    def parts(self, place: int) -> Parts:
        """Return what every source, and last the biases, add at a position."""
        rows = attributed(self.frozen, self.sources, self._targets(place))
        return torch.cat([rows.effects, rows.bias[:, None]], 1).T @ self._finish(place)

    def whole(self, place: int) -> Float[Tensor, "d_head"]:
        """Return all of it at a position."""
        return self._targets(place).values @ self._finish(place)

    def _targets(self, place: int) -> Targets:
        frozen, weights = self.frozen, self.frozen.weights.layers[self.head[0]]
        matrices, biases = (weights.W_Q, weights.b_Q) if self.mode == "q" else (weights.W_K, weights.b_K)
        read = matrices[self.head[1]].T
        vectors = frozen.centred(read * weights.ln1_w) / frozen.layers[self.head[0]].ln1[place]
        bias = read @ weights.ln1_b + biases[self.head[1]]
        values = vectors @ self.stream[place] + bias
        places = torch.full((len(read),), place, device=read.device)
        return Targets(self.head[0], vectors, places, bias, values, before_heads=True)

    def _finish(self, place: int) -> Float[Tensor, "d_head d_head"]:
        """Return what is done to a query or key before it is compared: its own norm, and the turn."""
        weights = self.frozen.weights.layers[self.head[0]]
        gain = weights.q_norm_w if self.mode == "q" else weights.k_norm_w
        turned = turn(self.model, place)
        done = torch.eye(self.frozen.spec.d_head, dtype=torch.float64) if turned is None else turned
        done = done.to(self.frozen.final)
        return done if gain is None else (gain / self._own_divisors[place])[:, None] * done

    @cached_property
    def _own_divisors(self) -> Float[Tensor, "pos 1"]:
        spec, name = self.frozen.spec, f"{self.mode}_norm_scale.{self.head[0]}"
        with self.model.edit({name: torch.clone}):  # handed back, a norm in float64 does not round to float32
            seen = self.model.activations(self.frozen.tokens[None], [name])[name][0]
        own = self.head[1] if self.mode == "q" else self.head[1] * spec.n_kv_heads // spec.n_heads
        return seen[:, own]
