"""The linear model that a frozen pass is, run forward: the stream at every place, and what a source adds to it there.

1. Start with what is added at the bottom: tokens, positions.
2. Before each MLP: every head reads the stream through the divisor held still, and moves it along its pattern.
3. Behind each MLP: add what its features, error and bias wrote; a skip hands on what it read.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mechlab.circuits.attribution.frozen_pass import FrozenPass
from mechlab.circuits.attribution.sources import Sources

Batch = Float[Tensor, "n pos d_model"]


@dataclass(frozen=True, eq=False)
class Streams:
    """The stream, or the part of it that comes from a source, in a batch.

    Attributes:
        pre: before each layer's heads, and at the end.
        mid: what each layer's MLP reads the norm of.
    """

    pre: tuple[Batch, ...]
    mid: tuple[Batch, ...]


def streams(frozen: FrozenPass, sources: Sources) -> Streams:
    """Return the whole stream of the pass, a batch of one."""
    start = sources.tokens if sources.positions is None else sources.tokens + sources.positions

    def written(layer: int) -> Batch:
        added = sources.errors[layer] + sources.constants[layer]
        own = sources.written[layer]
        added = added.index_add(0, own.positions, own.vectors)
        if sources.bos is not None:
            added[0] += sources.bos[layer]
        return added[None]

    return _run(frozen, start[None], written, biases=True)


def streams_of(frozen: FrozenPass, sources: Sources, columns: Int[Tensor, "n"], *, spread: bool = True) -> Streams:
    """Return what each of these sources adds to the stream.

    Args:
        frozen: the pass.
        sources: all sources.
        columns: which of them, a row of the batch for each.
        spread: whether heads and skips hand it on; without, it is what the source itself wrote.
    """
    start = frozen.final.new_zeros(len(columns), frozen.n_pos, frozen.final.shape[1])
    for kind, vectors in (("tokens", sources.tokens), ("positions", sources.positions)):
        if vectors is not None:
            rows, places = _among(columns, sources.starts[kind], len(vectors))
            start[rows, places] = vectors[places]

    def written(layer: int) -> Batch:
        return _written_by(sources, columns, layer)

    return _run(frozen, start, written, biases=False, spread=spread)


def heard(frozen: FrozenPass, layer: int, stream: Batch, *, biases: bool) -> Float[Tensor, "n pos n_heads d_head"]:
    """Return the values that a layer's heads make of the stream before them."""
    weights = frozen.weights.layers[layer]
    normed = frozen.centred(stream) / frozen.layers[layer].ln1 * weights.ln1_w
    normed = normed + weights.ln1_b if biases else normed
    values = torch.einsum("npd,hde->nphe", normed, weights.W_V)
    return values + weights.b_V if biases else values


def skipped(frozen: FrozenPass, layer: int, stream: Batch) -> Batch | None:
    """Return what a layer's skip makes of the stream before its MLP; None without one."""
    skip, divisor = frozen.transcoders.skip(layer), frozen.layers[layer].read_divisor
    if skip is None:
        return None
    added = (stream if divisor is None else frozen.centred(stream) / divisor) @ skip.T
    if frozen.has_bos:
        added[:, 0] = 0
    return added


def behind_heads(frozen: FrozenPass, layer: int, written: Float[Tensor, "*lead d_model"]) -> Tensor:
    """Return what the stream gets of what a layer's heads wrote at every position: through the norm behind, if any."""
    gain, divisor = frozen.weights.layers[layer].ln1_post_w, frozen.layers[layer].ln1_post
    return written if gain is None or divisor is None else written / divisor * gain


def _run(
    frozen: FrozenPass, start: Batch, written: Callable[[int], Batch], *, biases: bool, spread: bool = True
) -> Streams:
    pre, mid = [start], list[Tensor]()
    for layer in range(frozen.spec.n_layers):
        stream = pre[-1]
        moved = _moved(frozen, layer, stream, biases) if spread else 0
        mid.append(stream if frozen.spec.parallel else stream + moved)
        handed_on = skipped(frozen, layer, mid[-1]) if spread else None
        added = written(layer) if handed_on is None else written(layer) + handed_on
        pre.append(stream + moved + added)
    return Streams(tuple(pre), tuple(mid))


def _moved(frozen: FrozenPass, layer: int, stream: Batch, biases: bool) -> Batch:
    weights, pattern = frozen.weights.layers[layer], frozen.layers[layer].pattern
    values = heard(frozen, layer, stream, biases=biases)
    out = torch.einsum("hts,nshe,hed->ntd", pattern, values, weights.W_O)
    return behind_heads(frozen, layer, out + weights.b_O if biases else out)


def _written_by(sources: Sources, columns: Int[Tensor, "n"], layer: int) -> Batch:
    """Return what sources wrote at a layer's MLP."""
    n_pos, d_model = sources.tokens.shape
    added = sources.tokens.new_zeros(len(columns), n_pos, d_model)
    own = sources.written[layer]
    pairs = (columns[:, None] == own.columns).nonzero()
    added[pairs[:, 0], own.positions[pairs[:, 1]]] = own.vectors[pairs[:, 1]]
    rows, places = _among(columns, sources.starts["errors"] + layer * n_pos, n_pos)
    added[rows, places] = sources.errors[layer, places]
    if sources.bos is not None:
        rows, _ = _among(columns, sources.starts["bos"] + layer, 1)
        added[rows, 0] = sources.bos[layer]
    return added


def _among(columns: Int[Tensor, "n"], first: int, n: int) -> tuple[Tensor, Tensor]:
    """Return which columns are among `n` from the first on, and how far behind it each stands."""
    rows = ((columns >= first) & (columns < first + n)).nonzero().squeeze(1)
    return rows, columns[rows] - first
