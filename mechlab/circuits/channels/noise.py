"""How many scores lie where, and how many chance alone would put there: the noise floor of a map of channels.

1. Scores are counted between edges of z, a quarter of a standard deviation apart.
2. A receiver's null says how rarely chance exceeds each edge; differences of that, times how many scores the receiver
   has, are what chance puts between the edges.
3. Both are added up over receivers. Around one standard deviation, where the tail changes from one formula to
   another, it is read between its values on both sides.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from scipy.interpolate import PchipInterpolator
from torch import Tensor

from mechlab.circuits.channels.channel_map import ChannelMap
from mechlab.circuits.channels.nulls import LAWS
from mechlab.circuits.channels.tails import FIRST, upper_tails
from mechlab.models.sites import Mode

STEP = 0.25
BLURRED = 0.3  # around where a tail's two formulas meet
LEAST_HIGH, MOST_HIGH = 5, 10


@dataclass(frozen=True, eq=False)
class Noise:
    """Scores of a mode between edges of z, beside what chance would give.

    Attributes:
        edges: rising, in standard deviations.
        counts: scores between them.
        expected: how many of as many scores chance would put there.
        n_above: scores above the last edge.
    """

    edges: Float[Tensor, "n_edges"]
    counts: Int[Tensor, "n_bins"]
    expected: Float[Tensor, "n_bins"]
    n_above: int


@torch.no_grad()
def noise(found: ChannelMap, mode: Mode) -> Noise:
    """Return the z of a mode's scores, counted up to ten standard deviations, and what its null expects.

    Source: the laws are those of `nulls`; the comparison is ours.
    """
    scores = found.scores[mode]
    law = LAWS[found.null](found.circuits, scores)
    z = found.surprises[mode].z.reshape(-1, len(law.mean))
    per_receiver = (~z.isnan()).sum(0)
    reached = per_receiver > 0
    real = z[~z.isnan()].double()
    edges = _edges(real)
    tails = upper_tails(law.weights[reached], law.d, edges.expand(int(reached.sum()), -1))
    above = _smooth(edges, (tails * per_receiver[reached, None]).sum(0))
    counts = torch.histogram(real, edges).hist.long()
    return Noise(edges, counts, (above[:-1] - above[1:]).clamp(min=0), int((real > edges[-1]).sum()))


def _edges(z: Float[Tensor, "n"]) -> Float[Tensor, "n_edges"]:
    low = math.floor(float(z.min()) / STEP)
    high = round(min(max(math.ceil(float(z.max())), LEAST_HIGH), MOST_HIGH) / STEP)
    return torch.arange(low, high + 1, dtype=torch.float64) * STEP


def _smooth(edges: Float[Tensor, "n"], above: Float[Tensor, "n"]) -> Float[Tensor, "n"]:
    """Return how many lie above each edge, smooth where two formulas meet."""
    kept = (edges - FIRST).abs() > BLURRED
    logs = above.clamp(min=torch.finfo(above.dtype).tiny).log()
    return torch.from_numpy(PchipInterpolator(edges[kept].numpy(), logs[kept].numpy())(edges.numpy())).exp()
