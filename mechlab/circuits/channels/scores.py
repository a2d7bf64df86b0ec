"""How well what a component writes meets what a later head reads: for all pairs of a model in one pass.

1. A component of a head writes along one direction v. A later head reads through a matrix `M = R S T^T`: as query, key
   or value, along the columns of R with strengths S.
2. Component score: `|v M| / |M|` (Frobenius) = the root of the mean of `(v . r_j)^2`, weighted by `s_j^2`. How strongly
   the component writes does not enter.
3. All directions of a layer meet all readers of the later ones in one product; that product gives also receiver scores
   `|OV r_j| / |OV|`, and with the components' own values the whole-matrix score: its square is the mean of the
   components' squares, weighted by their squared values.
4. Products are float32's; directions and strengths are found in float64.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from mechlab.circuits.channels.head_circuits import HeadCircuits
from mechlab.core.products import exact_products
from mechlab.models.sites import Mode


@dataclass(frozen=True, eq=False)
class ChannelScores:
    """Scores between all heads in one mode; where the receiver is in no later layer they are NaN (unless asked for).

    Attributes:
        component: of each component of a sender with a whole receiver, 0 to 1.
        receiver: of a whole sender with each component of a receiver, 0 to 1.
        whole: of a whole sender with a whole receiver, 0 to 1 (Elhage's composition score).
    """

    mode: Mode
    component: Float[Tensor, "n_layers n_heads k n_layers n_heads"]
    receiver: Float[Tensor, "n_layers n_heads n_layers n_heads k_read"]
    whole: Float[Tensor, "n_layers n_heads n_layers n_heads"]


@torch.no_grad()
def channel_scores(circuits: HeadCircuits, mode: Mode, *, only_later: bool = True) -> ChannelScores:
    """Return the scores of all pairs of heads in one mode.

    Args:
        circuits: the heads' decomposed circuits.
        mode: what the receiver reads: `q`, `k` or `v`.
        only_later: leave out pairs whose receiver is in no later layer than the sender; they cannot talk.

    Source: Merullo, Eickhoff & Pavlick 2024, "Talking Heads" (arXiv 2406.09519; components), after Elhage et al. 2021
    (whole matrices). The identity between the two is ours.
    """
    senders, readers = circuits.ov, circuits.readers(mode)
    n_layers, n_heads, d_model, k = senders.write.shape
    k_read = readers.strengths.shape[-1]
    writes = senders.write.mT.reshape(n_layers, n_heads * k, d_model).float()
    reads = readers.directions.transpose(1, 2).transpose(0, 1).reshape(d_model, n_layers, -1).float()
    weight = _normed(readers.strengths).float()
    power = _normed(senders.values).float()
    component = torch.full((n_layers, n_heads, k, n_layers, n_heads), torch.nan)
    receiver = torch.full((n_layers, n_heads, n_layers, n_heads, k_read), torch.nan)
    for layer in range(n_layers):
        first = layer + 1 if only_later else 0
        if first == n_layers:
            continue
        with exact_products():
            met = writes[layer] @ reads[:, first:].reshape(d_model, -1)
        met = met.view(n_heads, k, n_layers - first, n_heads, k_read)
        component[layer, :, :, first:] = torch.linalg.vector_norm(met * weight[first:], dim=-1)
        receiver[layer, :, first:] = torch.linalg.vector_norm(met.mul_(power[layer, :, :, None, None, None]), dim=1)
    whole = (component.square() * power.square()[..., None, None]).sum(2).sqrt()
    return ChannelScores(mode, component, receiver, whole)


def component_pairs(
    circuits: HeadCircuits, sender: tuple[int, int], receiver: tuple[int, int], mode: Mode
) -> Float[Tensor, "k k_read"]:
    """Return the signed cosines between what each component of a head writes and each of another reads.

    The sign is that of one pair of singular vectors and turns with either; its size does not depend on it.
    """
    return circuits.ov.write[sender].mT @ circuits.readers(mode).directions[receiver]


def _normed(values: Float[Tensor, "*many k"]) -> Float[Tensor, "*many k"]:
    """Return values of squared sum one; all zero stay so."""
    return values / torch.linalg.vector_norm(values, dim=-1, keepdim=True).clamp(min=torch.finfo(values.dtype).tiny)
