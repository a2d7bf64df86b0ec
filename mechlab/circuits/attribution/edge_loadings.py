"""By which ways an effect comes: straight, over each head, over each skip.

1. What a source wrote is read by the target straight from the stream.
2. Of all else, the last to write on the way is a head or a skip: by the last, the ways split the effect exactly.
3. Beside it stands what comes over a head or a skip alone. What is left of the effect passes several.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from mechlab.circuits.attribution.expansion import Readers, before_norm
from mechlab.circuits.attribution.frozen_pass import FrozenPass
from mechlab.circuits.attribution.sources import Sources
from mechlab.circuits.attribution.streams import Streams, heard, skipped, streams_of
from mechlab.circuits.attribution.targets import Targets

OfHeads = Float[Tensor, "n n_sources n_layers n_heads"]
OfSkips = Float[Tensor, "n n_sources n_layers"]


@dataclass(frozen=True, eq=False)
class Loadings:
    """Effects of some sources on some targets, split by the ways they take; `direct`, `heads` and `skips` sum to them.

    Attributes:
        direct: read from the stream as it was written.
        heads: last written by this head, over whatever ways it came there.
        skips: last written by this layer's skip.
        heads_alone: over this head and nothing else.
        skips_alone: over this skip and nothing else.
    """

    direct: Float[Tensor, "n n_sources"]
    heads: OfHeads
    skips: OfSkips
    heads_alone: OfHeads
    skips_alone: OfSkips

    @property
    def total(self) -> Float[Tensor, "n n_sources"]:
        """Return the whole effects."""
        return self.direct + self.heads.sum((-1, -2)) + self.skips.sum(-1)

    @property
    def over_several(self) -> Float[Tensor, "n n_sources"]:
        """Return what passes more than one head or skip."""
        return self.total - self.direct - self.heads_alone.sum((-1, -2)) - self.skips_alone.sum(-1)


@torch.no_grad()
def edge_loadings(frozen: FrozenPass, sources: Sources, targets: Targets, columns: Sequence[int]) -> Loadings:
    """Return by which ways the effects of these sources come to the targets, in the targets' unit.

    Args:
        frozen: the pass.
        sources: all that adds to it.
        targets: on what.
        columns: of the sources.

    Source: the attribution of edges to heads follows Anthropic's 2025 work on attention ("head loadings"); there one
    layer's heads and what goes by them. The split by the last that wrote is ours, and sums to the effect.
    """
    own, readers = torch.tensor(list(columns), device=targets.positions.device), Readers.of(frozen, targets)
    whole, written = (streams_of(frozen, sources, own, spread=spread) for spread in (True, False))
    (heads, skips), (heads_alone, skips_alone) = (_last(frozen, readers, one) for one in (whole, written))
    direct = torch.einsum("nd,cnd->nc", readers.vectors, written.pre[targets.layer][:, readers.positions])
    return Loadings(direct, heads, skips, heads_alone, skips_alone)


def _last(frozen: FrozenPass, readers: Readers, stream: Streams) -> tuple[OfHeads, OfSkips]:
    """Return what readers get of what every head and skip makes of the stream before it, source by source."""
    n_sources = len(stream.pre[0])
    heads = readers.vectors.new_zeros(len(readers), n_sources, frozen.spec.n_layers, frozen.spec.n_heads)
    skips = readers.vectors.new_zeros(len(readers), n_sources, frozen.spec.n_layers)
    if not len(readers):
        return heads, skips
    places, n_heads, n_mlps = readers.positions, int(readers.heads[0]), int(readers.mlps[0])
    for layer in range(n_heads):
        values = heard(frozen, layer, stream.pre[layer], biases=False)
        asked = torch.einsum("nd,hed->nhe", before_norm(frozen, layer, readers), frozen.weights.layers[layer].W_O)
        pattern = frozen.layers[layer].pattern[:, places]
        heads[:, :, layer] = torch.einsum("nhe,hns,cshe->nch", asked, pattern, values)
    for layer in range(n_mlps):
        handed_on = skipped(frozen, layer, stream.mid[layer])
        if handed_on is not None:
            skips[:, :, layer] = torch.einsum("nd,cnd->nc", readers.vectors, handed_on[:, places])
    return heads, skips
