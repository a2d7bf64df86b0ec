"""One step down from a reader of the stream: what each head, feature, skip and end adds to what it reads.

1. A reader is a vector at a position that sees the heads and MLPs below it.
2. Everything that wrote to the stream there is a step, and its effect is what it wrote along the vector. With what
   biases wrote they sum to what the reader is.
3. Heads, features and skips are readers themselves: the vector is handed back through them, with all factors of the
   pass, so that what they read is again in the target's unit.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mechlab.circuits.attribution.frozen_pass import FrozenPass
from mechlab.circuits.attribution.sources import Sources
from mechlab.circuits.attribution.step_numbers import StepNumbers
from mechlab.circuits.attribution.streams import Streams, heard, skipped, streams
from mechlab.circuits.attribution.targets import Targets, feature_targets

Effects = Float[Tensor, "n n_steps"]


@dataclass(frozen=True, eq=False)
class Readers:
    """Vectors that read the stream.

    Attributes:
        vectors: along which; what they read is in the target's unit.
        positions: where.
        heads: how many layers' heads they see.
        mlps: how many layers' MLPs.
        bias: what each is beyond what it reads.
    """

    vectors: Float[Tensor, "n d_model"]
    positions: Int[Tensor, "n"]
    heads: Int[Tensor, "n"]
    mlps: Int[Tensor, "n"]
    bias: Float[Tensor, "n"]

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.positions)

    def chosen(self, rows: Int[Tensor, "n_chosen"]) -> "Readers":
        """Return some of them."""
        return Readers(*(one[rows] for one in self._parts()))

    @staticmethod
    def together(pieces: Sequence["Readers"]) -> "Readers":
        """Return those of all pieces, one after another."""
        return Readers(*(torch.cat(parts) for parts in zip(*(one._parts() for one in pieces), strict=True)))

    def _parts(self) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        return self.vectors, self.positions, self.heads, self.mlps, self.bias

    @staticmethod
    def of(frozen: FrozenPass, targets: Targets) -> "Readers":
        """Return targets as readers."""
        sees_heads = targets.layer < frozen.spec.n_layers and not frozen.spec.parallel and not targets.before_heads
        mlps = torch.full_like(targets.positions, targets.layer)
        return Readers(targets.vectors, targets.positions, mlps + sees_heads, mlps, targets.bias)


class Expansion:
    """The steps of a pass, what they add to readers, and the readers that they are themselves."""

    def __init__(self, frozen: FrozenPass, sources: Sources) -> None:
        self.frozen, self.sources = frozen, sources
        self.numbers = StepNumbers(sources, frozen.spec.n_heads)

    def effects(self, readers: Readers) -> Effects:
        """Return what every step adds to every reader; zero where a reader does not see it."""
        found = readers.vectors.new_zeros(len(readers), self.numbers.n_steps)
        found[:, self.numbers.bias] = readers.bias
        self._add_embeddings(found, readers)
        for layer in range(self.frozen.spec.n_layers):
            seen = (readers.mlps > layer).nonzero().squeeze(1)
            if len(seen):
                self._add_mlp(found, readers, layer, seen)
            seen = (readers.heads > layer).nonzero().squeeze(1)
            if len(seen):
                self._add_heads(found, readers, layer, seen)
        return found

    def _add_embeddings(self, found: Effects, readers: Readers) -> None:
        rows, places = torch.arange(len(readers), device=readers.positions.device), readers.positions
        for kind, vectors in (("tokens", self.sources.tokens), ("positions", self.sources.positions)):
            if vectors is not None:
                found[rows, self.sources.starts[kind] + places] = (vectors[places] * readers.vectors).sum(-1)

    def _add_mlp(self, found: Effects, readers: Readers, layer: int, seen: Tensor) -> None:
        sources, written = self.sources, self.sources.written[layer]
        vectors, places = readers.vectors[seen], readers.positions[seen]
        for place in places.unique().tolist():
            here, rows = places == place, seen[places == place]
            own = (written.positions == place).nonzero().squeeze(1)
            found[rows[:, None], written.columns[own]] += vectors[here] @ written.vectors[own].T
            if place == 0 and sources.bos is not None:
                found[rows, sources.starts["bos"] + layer] = vectors[here] @ sources.bos[layer]
        errors = sources.starts["errors"] + layer * len(sources.tokens) + places
        found[seen, errors] = (vectors * sources.errors[layer, places]).sum(-1)
        found[seen, self.numbers.bias] += (vectors * sources.constants[layer, places]).sum(-1)
        handed_on = self._skipped[layer]
        if handed_on is not None:
            found[seen, self.numbers.first_skip + layer] = (vectors * handed_on[places]).sum(-1)

    def _add_heads(self, found: Effects, readers: Readers, layer: int, seen: Tensor) -> None:
        asked, places = self._asked(readers, layer, seen), readers.positions[seen]
        pattern = self.frozen.layers[layer].pattern[:, places]
        moved = torch.einsum("nhe,she,hns->nhs", asked, self._heard[layer], pattern)
        found[seen, self.numbers.heads(layer)] = moved.flatten(1)
        before = before_norm(self.frozen, layer, readers.chosen(seen))
        found[seen, self.numbers.bias] += before @ self.frozen.weights.layers[layer].b_O

    def followed(self, readers: Readers, steps: Int[Tensor, "n"], effects: Float[Tensor, "n"]) -> Readers:
        """Return the readers that steps are, one below each reader; all steps have to be features, heads or skips.

        Args:
            readers: those above.
            steps: by number.
            effects: what each step adds to its reader.
        """
        found: list[tuple[Tensor, Readers]] = []
        for layer in range(self.frozen.spec.n_layers):
            features, heads = self._of_features(layer), self.numbers.heads(layer)
            rows = _within(steps, features.start, features.stop)
            if len(rows):
                found.append((rows, self._features_below(layer, steps[rows], effects[rows])))
            rows = _within(steps, heads.start, heads.stop)
            if len(rows):
                found.append((rows, self._heads_below(layer, readers.chosen(rows), steps[rows] - heads.start)))
            rows = _within(steps, self.numbers.first_skip + layer, self.numbers.first_skip + layer + 1)
            if len(rows):
                found.append((rows, self._skips_below(layer, readers.chosen(rows))))
        order = torch.cat([rows for rows, _ in found]).argsort()
        return Readers.together([below for _, below in found]).chosen(order)

    def _of_features(self, layer: int) -> slice:
        """Return the numbers of a layer's features."""
        bounds = torch.tensor([layer, layer + 1], device=self.sources.layer.device)
        return slice(*torch.searchsorted(self.sources.layer, bounds).tolist())

    def _features_below(self, layer: int, columns: Tensor, effects: Tensor) -> Readers:
        below = self._features[layer].chosen(columns - self._of_features(layer).start)
        times = effects / self.sources.code[columns]
        return Readers(below.vectors * times[:, None], below.positions, below.heads, below.mlps, below.bias * times)

    def _heads_below(self, layer: int, readers: Readers, among: Tensor) -> Readers:
        frozen, weights = self.frozen, self.frozen.weights.layers[layer]
        head, source = among // frozen.n_pos, among % frozen.n_pos
        each = torch.arange(len(among), device=among.device)
        share = frozen.layers[layer].pattern[head, readers.positions, source]
        asked = self._asked(readers, layer, each)[each, head] * share[:, None]
        read = torch.einsum("ne,nde->nd", asked, weights.W_V[head])
        vectors = frozen.centred(read * weights.ln1_w) / frozen.layers[layer].ln1[source]
        seen = torch.full_like(source, layer)
        return Readers(vectors, source, seen, seen, (asked * weights.b_V[head]).sum(-1) + read @ weights.ln1_b)

    def _skips_below(self, layer: int, readers: Readers) -> Readers:
        skip, divisor = self.frozen.transcoders.skip(layer), self.frozen.layers[layer].read_divisor
        assert skip is not None
        back = readers.vectors @ skip
        vectors = back if divisor is None else self.frozen.centred(back) / divisor[readers.positions]
        seen = torch.full_like(readers.positions, layer)
        heads = seen if self.frozen.spec.parallel else seen + 1
        return Readers(vectors, readers.positions, heads, seen, torch.zeros_like(readers.bias))

    def _asked(self, readers: Readers, layer: int, rows: Tensor) -> Float[Tensor, "n n_heads d_head"]:
        """Return what readers read of the values that a layer's heads mix."""
        before = before_norm(self.frozen, layer, readers.chosen(rows))
        return torch.einsum("nd,hed->nhe", before, self.frozen.weights.layers[layer].W_O)

    @cached_property
    def _features(self) -> list[Readers]:
        layers = range(self.frozen.spec.n_layers)
        return [Readers.of(self.frozen, feature_targets(self.frozen, self.sources, layer)) for layer in layers]

    @cached_property
    def _stream(self) -> Streams:
        return streams(self.frozen, self.sources)

    @cached_property
    def _heard(self) -> list[Float[Tensor, "pos n_heads d_head"]]:
        layers = range(self.frozen.spec.n_layers)
        return [heard(self.frozen, layer, self._stream.pre[layer], biases=True)[0] for layer in layers]

    @cached_property
    def _skipped(self) -> list[Tensor | None]:
        found = [skipped(self.frozen, layer, mid) for layer, mid in enumerate(self._stream.mid)]
        return [None if one is None else one[0] for one in found]


def before_norm(frozen: FrozenPass, layer: int, readers: Readers) -> Float[Tensor, "n d_model"]:
    """Return readers' vectors handed back to what a layer's heads wrote: through the norm behind them, if any."""
    gain, divisor = frozen.weights.layers[layer].ln1_post_w, frozen.layers[layer].ln1_post
    return readers.vectors if gain is None or divisor is None else readers.vectors * gain / divisor[readers.positions]


def _within(numbers: Tensor, start: int, stop: int) -> Tensor:
    """Return which numbers are at least `start` and less than `stop`."""
    return ((numbers >= start) & (numbers < stop)).nonzero().squeeze(1)
