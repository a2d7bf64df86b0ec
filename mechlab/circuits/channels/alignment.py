"""How far many vectors lie along one direction, and how far chance would put them: tokens or features at an end.

1. A vector x has the part `x . u` along a unit direction u. Where writes are centred, so are the vectors.
2. Sphere: for u drawn evenly from d dimensions `(x . u)^2 / |x|^2` is a beta variable with 1/2 and (d - 1)/2, of mean
   `1 / d`; z counts its root in units of `1 / sqrt(d)`.
3. That the most surprising of n vectors is this surprising has at most n times its own chance, whether or not the
   vectors depend on each other (Bonferroni).
4. Draws: directions spread as those of all heads are stand in for u, and the largest |z| of each is counted.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from scipy import special
from torch import Tensor

AT_ONCE = 8192


@dataclass(frozen=True)
class Aligned:
    """One vector: its number, its part along the direction, and that in standard deviations of chance."""

    number: int
    part: float
    z: float


@dataclass(frozen=True, eq=False)
class Alignment:
    """Parts of many vectors along one direction, and what chance gives.

    Attributes:
        parts: signed; of unit vectors they are cosines.
        z: the same in standard deviations of the part that a random direction would give each vector.
        tails: how rarely a random direction gives a vector a part of at least this size.
        p_largest: the chance that any of the vectors is as surprising as the most surprising one; at most that.
        n_drawn: how many directions were drawn.
        n_beyond: how many of them have a vector with at least as large a |z|.
    """

    parts: Float[Tensor, "n"]
    z: Float[Tensor, "n"]
    tails: Float[Tensor, "n"]
    p_largest: float
    n_drawn: int = 0
    n_beyond: int = 0

    @property
    def p_drawn(self) -> float | None:
        """Return the share of drawn directions with as large a |z|, this one counted among them; None without draws."""
        return (1 + self.n_beyond) / (1 + self.n_drawn) if self.n_drawn else None

    def most(self, n: int) -> list[Aligned]:
        """Return the vectors with the largest parts, the largest first."""
        return self._at(self.parts.topk(min(n, len(self.parts))).indices)

    def least(self, n: int) -> list[Aligned]:
        """Return the vectors with the smallest parts, the smallest (most negative) first."""
        return self._at(self.parts.topk(min(n, len(self.parts)), largest=False).indices)

    def largest(self, n: int) -> list[Aligned]:
        """Return the vectors with the largest |z|, the largest first."""
        return self._at(self.z.abs().topk(min(n, len(self.z))).indices)

    def share_beyond(self, rate: float) -> float:
        """Return the share of vectors that are this surprising; about `rate` if all is chance."""
        return float((self.tails <= rate).double().mean())

    def _at(self, numbers: Int[Tensor, "n"]) -> list[Aligned]:
        return [Aligned(one, float(self.parts[one]), float(self.z[one])) for one in numbers.tolist()]


@torch.no_grad()
def align(
    vectors: Float[Tensor, "n d_model"],
    direction: Float[Tensor, "d_model"],
    d_stream: int,
    drawn: Float[Tensor, "n_drawn d_model"] | None = None,
) -> Alignment:
    """Return how far each vector lies along a unit direction; vectors of length zero have no part.

    Args:
        vectors: one a row.
        direction: of length one.
        d_stream: dimensions of the sphere; where that is one less than the width, vectors are centred first.
        drawn: unit directions whose largest |z| are compared with this one's.

    Source: the law of a uniform direction's square is classical (Mathai & Provost 1992); its use on tokens and features
    is ours.
    """
    others = direction[None] if drawn is None else torch.cat([direction[None], drawn.to(direction)])
    pieces = [_met(piece, others.double(), d_stream) for piece in vectors.split(AT_ONCE)]
    parts, z = (torch.cat([piece[place] for piece in pieces]) for place in (0, 1))
    largest = torch.stack([piece[2] for piece in pieces]).amax(0)
    tails = _tails(z, d_stream)
    p = min(1.0, len(tails) * float(tails.min()))
    return Alignment(parts, z, tails, p, len(others) - 1, int((largest[1:] >= largest[0]).sum()))


def _met(
    vectors: Float[Tensor, "n d_model"], directions: Float[Tensor, "m d_model"], d: int
) -> tuple[Float[Tensor, "n"], Float[Tensor, "n"], Float[Tensor, "m"]]:
    """Return the vectors' parts and z along the first direction, and the largest |z| along each."""
    own = vectors.detach().to(directions)
    if d < own.shape[1]:
        own = own - own.mean(1, keepdim=True)
    sizes = torch.linalg.vector_norm(own, dim=1, keepdim=True).clamp(min=torch.finfo(own.dtype).tiny)
    parts = own @ directions.T
    z = parts / sizes * math.sqrt(d)
    return parts[:, 0], z[:, 0], z.abs().amax(0)


def _tails(z: Float[Tensor, "n"], d: int) -> Float[Tensor, "n"]:
    squares = (z.square() / d).clamp(max=1)
    return torch.from_numpy(special.betaincc(0.5, (d - 1) / 2, squares.cpu().numpy()))
