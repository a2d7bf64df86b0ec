"""Who writes to the residual stream and who reads it: the edges along which one part of a model hears another.

1. Sources write: the embeddings (`input`), every head, every MLP, in the order of the forward pass.
2. Readers read: every head's queries, keys and values apart, every MLP, the logits.
3. A reader hears all that was written before it, so its edges come from a first stretch of the sources.
4. Heads that share keys and values read them together: their reader is `kv.LAYER.GROUP`.

Source: Conmy et al. 2023 (ACDC) and Hanna et al. 2024 (EAP-IG), whose graph of edges it is.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import torch
from jaxtyping import Bool
from torch import Tensor

from mechlab.core.errors import UnknownName, UsageError
from mechlab.models.language_model import LanguageModel
from mechlab.models.sites import MODES
from mechlab.models.spec import ModelSpec

INPUT, LOGITS = "input", "logits"
Reading = Literal["q", "k", "v", "mlp", "logits"]


@dataclass(frozen=True)
class Reader:
    """Something that reads the stream through a norm of its own.

    Attributes:
        reading: what it makes of it.
        layer: where; the number of layers for the logits.
        number: which head, or which group of heads that share keys and values; 0 for others.
        node: what the reader is part of: `head.L.H`, `kv.L.G`, `mlp.L` or `logits`.
    """

    reading: Reading
    layer: int
    number: int
    node: str

    @property
    def name(self) -> str:
        """Return such as `head.2.1.q`, `mlp.3` or `logits`."""
        return f"{self.node}.{self.reading}" if self.reading in MODES else self.node


@dataclass(frozen=True)
class Wiring:
    """The sources and readers of a model, and which of them are joined by an edge.

    Raises:
        UsageError: what parts write is normalized before it joins the stream, or nothing normalizes what they read.
    """

    spec: ModelSpec

    def __post_init__(self) -> None:
        if self.spec.post_norms:
            remedy = "Patch nodes instead: their outputs are read behind those norms."
            raise UsageError("parts of this model write through a norm", value=self.spec.architecture, remedy=remedy)
        if self.spec.normalization == "none":
            remedy = "Edges are patched in front of norms; take a model that has them."
            raise UsageError("this model has no norms", value=self.spec.architecture, remedy=remedy)

    @cached_property
    def sources(self) -> tuple[str, ...]:
        """Return the sources' names, in the order of the forward pass."""
        return (INPUT, *(name for layer in range(self.spec.n_layers) for name in self._written(layer)))

    @cached_property
    def readers(self) -> tuple[Reader, ...]:
        """Return the readers, in the order of the forward pass."""
        blocks = (reader for layer in range(self.spec.n_layers) for reader in self._reading(layer))
        return (*blocks, Reader("logits", self.spec.n_layers, 0, LOGITS))

    @cached_property
    def n_heard(self) -> tuple[int, ...]:
        """Return how many of the sources each reader hears: the first so many."""
        return tuple(self._n_before(reader) for reader in self.readers)

    @cached_property
    def is_edge(self) -> Bool[Tensor, "n_sources n_readers"]:
        """Return which source is heard by which reader."""
        return torch.arange(len(self.sources))[:, None] < torch.tensor(self.n_heard)

    @property
    def n_edges(self) -> int:
        """Return how many edges there are."""
        return sum(self.n_heard)

    def edge(self, source: str, reader: str) -> tuple[int, int]:
        """Return the places of an edge's ends.

        Raises:
            UnknownName: there is no such source or reader.
            UsageError: the reader does not hear the source.
        """
        ends = (
            place_of(source, self.sources, "source"),
            place_of(reader, [one.name for one in self.readers], "reader"),
        )
        if not self.is_edge[ends]:
            raise UsageError("reader does not hear the source", value=f"{source} -> {reader}")
        return ends

    def written_by(self, reader: Reader) -> tuple[int, ...]:
        """Return the places of the sources that a reader is part of; the logits are part of none."""
        if reader.reading == "logits":
            return ()
        if not reader.node.startswith("kv."):
            return (self.sources.index(reader.node),)
        shared = self.spec.n_heads // self.spec.n_kv_heads
        heads = range(reader.number * shared, (reader.number + 1) * shared)
        return tuple(self.sources.index(f"head.{reader.layer}.{head}") for head in heads)

    @property
    def _has_mlp(self) -> bool:
        return self.spec.d_mlp > 0

    def _written(self, layer: int) -> Iterator[str]:
        yield from (f"head.{layer}.{head}" for head in range(self.spec.n_heads))
        if self._has_mlp:
            yield f"mlp.{layer}"

    def _reading(self, layer: int) -> Iterator[Reader]:
        n_heads, n_groups = self.spec.n_heads, self.spec.n_kv_heads
        owner = "head" if n_groups == n_heads else "kv"
        yield from (Reader("q", layer, head, f"head.{layer}.{head}") for head in range(n_heads))
        for reading in MODES[1:]:
            yield from (Reader(reading, layer, group, f"{owner}.{layer}.{group}") for group in range(n_groups))
        if self._has_mlp:
            yield Reader("mlp", layer, 0, f"mlp.{layer}")

    def _n_before(self, reader: Reader) -> int:
        per_layer = self.spec.n_heads + self._has_mlp
        before = 1 + per_layer * reader.layer
        return before + self.spec.n_heads if reader.reading == "mlp" and not self.spec.parallel else before


def wiring_of(model: LanguageModel) -> Wiring:
    """Return the wiring of a model.

    Raises:
        UsageError: what its parts write is normalized before it joins the stream, or nothing normalizes what they read.
    """
    return Wiring(model.spec)


def place_of(name: str, known: Sequence[str], what: str) -> int:
    """Return where a name stands.

    Raises:
        UnknownName: nowhere.
    """
    if name not in known:
        raise UnknownName(
            f"no such {what}", value=name, remedy=f"Known: {', '.join(known[:20])}{', ...' * (len(known) > 20)}."
        )
    return list(known).index(name)
