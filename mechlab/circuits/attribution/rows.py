"""What every source adds to each of some targets: one walk down the frozen pass, by explicit transposes.

1. Start with the targets' vectors where they read the stream.
2. Above each MLP: what its sources wrote there, along the vectors, goes into their columns. A skip hands the vectors on
   to what the MLP read.
3. Above each attention: every head hands the vectors back, along its pattern, to what it read.
4. At the bottom: tokens and positions.
5. What biases add on the way is summed by itself. A row and its bias sum to the target's value.

No autograd and no second forward pass; positions behind the last target's are left out.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from mechlab.circuits.attribution.frozen_pass import FrozenPass
from mechlab.circuits.attribution.sources import Sources
from mechlab.circuits.attribution.targets import Targets

Carried = Float[Tensor, "n pos d_model"]


@dataclass(frozen=True, eq=False)
class Rows:
    """What sources add to targets: a row for each target, a column for each source, and what biases add."""

    effects: Float[Tensor, "n n_columns"]
    bias: Float[Tensor, "n"]

    def missing(self, targets: Targets) -> Float[Tensor, "n"]:
        """Return what is left of the targets' values: rounding."""
        return targets.values - self.effects.sum(-1) - self.bias


@torch.no_grad()
def attributed(frozen: FrozenPass, sources: Sources, targets: Targets) -> Rows:
    """Return what every source adds to each target, in the target's unit.

    Source: Dunefsky et al. 2024 and Ameisen et al. 2025, as in `frozen_pass`; the sum of a row and its bias is exact.
    """
    n_pos = int(targets.positions.max()) + 1 if len(targets) else 0
    walk = _Walk(frozen, sources, targets, n_pos)
    carried = targets.vectors.new_zeros(len(targets), n_pos, targets.vectors.shape[1])
    carried[torch.arange(len(targets)), targets.positions] = targets.vectors
    if targets.layer < frozen.spec.n_layers and not frozen.spec.parallel and not targets.before_heads:
        carried = carried + walk.below_attention(targets.layer, carried)
    for layer in reversed(range(targets.layer)):
        walk.collect(layer, carried)
        skipped = walk.below_skip(layer, carried)
        if frozen.spec.parallel:
            carried = carried + walk.below_attention(layer, carried)
            carried = carried if skipped is None else carried + skipped
        else:
            carried = carried if skipped is None else carried + skipped
            carried = carried + walk.below_attention(layer, carried)
    walk.collect_embeddings(carried)
    return Rows(walk.effects, walk.bias)


class _Walk:
    """Effects and biases summed up while the targets' vectors are carried down."""

    def __init__(self, frozen: FrozenPass, sources: Sources, targets: Targets, n_pos: int) -> None:
        self.frozen, self.sources, self.n_pos = frozen, sources, n_pos
        self.effects = targets.vectors.new_zeros(len(targets), sources.n_columns)
        self.bias = targets.bias.clone()

    def collect(self, layer: int, carried: Carried) -> None:
        """Count what is written by the features, the error, the transcoder's bias and, at BOS, the MLP of a layer."""
        sources, written = self.sources, self.sources.written[layer]
        bounds = torch.searchsorted(written.positions, torch.arange(self.n_pos + 1, device=written.positions.device))
        for position, (start, stop) in enumerate(zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True)):
            if start < stop:
                added = carried[:, position] @ written.vectors[start:stop].T
                self.effects.index_add_(1, written.columns[start:stop], added)
        first = sources.starts["errors"] + layer * len(sources.tokens)
        self.effects[:, first : first + self.n_pos] = _along(carried, sources.errors[layer, : self.n_pos])
        self.bias += _along(carried, sources.constants[layer, : self.n_pos]).sum(-1)
        if sources.bos is not None:
            self.effects[:, sources.starts["bos"] + layer] = carried[:, 0] @ sources.bos[layer]

    def collect_embeddings(self, carried: Carried) -> None:
        """Count tokens and positions."""
        sources = self.sources
        for kind, vectors in (("tokens", sources.tokens), ("positions", sources.positions)):
            if vectors is not None:
                first = sources.starts[kind]
                self.effects[:, first : first + self.n_pos] = _along(carried, vectors[: self.n_pos])

    def below_skip(self, layer: int, carried: Carried) -> Carried | None:
        """Return what a transcoder's skip hands on to the stream that it read; None without one."""
        skip, divisor = self.frozen.transcoders.skip(layer), self.frozen.layers[layer].read_divisor
        if skip is None:
            return None
        back = carried @ skip
        if self.frozen.has_bos:
            back[:, 0] = 0
        return back if divisor is None else self.frozen.centred(back) / divisor[: self.n_pos]

    def below_attention(self, layer: int, carried: Carried) -> Carried:
        """Return what a layer's heads hand on to the stream that they read, and count what their biases add."""
        held, weights, n_pos = self.frozen.layers[layer], self.frozen.weights.layers[layer], self.n_pos
        if held.ln1_post is not None:
            assert weights.ln1_post_w is not None
            carried = carried * weights.ln1_post_w / held.ln1_post[:n_pos]
        self.bias += carried.sum(1) @ weights.b_O
        pattern = held.pattern[:, :n_pos, :n_pos]
        mixed = torch.einsum("npd,hed,hps->nshe", carried, weights.W_O, pattern)
        self.bias += (mixed.sum(1) * weights.b_V).sum((1, 2))
        read = mixed.flatten(2) @ weights.W_V.transpose(1, 2).flatten(0, 1)
        self.bias += read.sum(1) @ weights.ln1_b
        return self.frozen.centred(read * weights.ln1_w) / held.ln1[:n_pos]


def _along(carried: Carried, vectors: Float[Tensor, "pos d_model"]) -> Float[Tensor, "n pos"]:
    return torch.einsum("npd,pd->np", carried, vectors)
