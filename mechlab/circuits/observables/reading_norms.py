"""How a direction behind a norm reads the stream in front of it: exactly, with the divisor held still, or roughly.

Of a direction y behind a norm with gain g, at a point x of the stream, where the norm gives z = (x - mean(x)) / s:

1. `exact`: the gradient of y . norm(x), `(n - mean(n) - z mean(z n)) / s` with `n = g y`; RMSNorm has no means.
2. `frozen`: the divisor s stays what it is at x: `(n - mean(n)) / s`. Sums over parts of the stream are exact.
3. `cheap`: `sqrt(d) / |x| n`; without a point, |x| is 1.
4. `skip`: y itself; a norm hardly turns a direction (`angle_bound`).

Source: Observable Propagation (arXiv 2312.16291; ICML 2024), section 2; `frozen` and RMSNorm are ours.
"""

from dataclasses import dataclass
from typing import Literal

from jaxtyping import Float
from torch import Tensor

from mechlab.core.errors import UsageError

How = Literal["exact", "frozen", "cheap", "skip"]
Vectors = Float[Tensor, "*lead d_model"]


@dataclass(frozen=True, eq=False)
class ReadingNorm:
    """A norm of the residual stream.

    Attributes:
        name: `ln1.L`, `ln2.L` or `ln_final`.
        centres: whether it takes the mean away (LayerNorm) or not (RMSNorm).
    """

    name: str
    gain: Float[Tensor, "d_model"]
    bias: Float[Tensor, "d_model"]
    eps: float
    centres: bool

    def centred(self, vectors: Vectors) -> Vectors:
        """Return vectors without their mean, where the norm removes it."""
        return vectors - vectors.mean(-1, keepdim=True) if self.centres else vectors

    def divisor(self, stream: Vectors) -> Float[Tensor, "*lead 1"]:
        """Return what the norm divides by."""
        return (self.centred(stream).square().mean(-1, keepdim=True) + self.eps).sqrt()

    def __call__(self, stream: Vectors) -> Vectors:
        """Return what the norm makes of the stream, gain and bias included."""
        normed = self.centred(stream) / self.divisor(stream)
        return normed * self.gain.to(stream) + self.bias.to(stream)

    def pulled(self, direction: Vectors, stream: Vectors | None, how: How) -> Vectors:
        """Return the direction of the stream in front that a direction behind the norm reads.

        Args:
            direction: behind the norm.
            stream: the points in front at which the norm is linearised; None only where none is needed.
            how: see the module.

        Raises:
            UsageError: there is no point, and this way needs one.
        """
        if how == "skip":
            return direction
        gained = direction * self.gain.to(direction)
        if how == "cheap":
            length = 1.0 if stream is None else stream.to(direction).norm(dim=-1, keepdim=True)
            return gained * direction.shape[-1] ** 0.5 / length
        if stream is None:
            remedy = "Give the stream it reads, or let norms be 'cheap' or 'skip'."
            raise UsageError(f"norm is linearised {how} at no point", value=self.name, remedy=remedy)
        return self._at(gained, stream.to(direction), how)

    def _at(self, gained: Vectors, stream: Vectors, how: How) -> Vectors:
        divisor = self.divisor(stream)
        level = self.centred(gained)
        if how == "frozen":
            return level / divisor
        normed = self.centred(stream) / divisor
        return (level - normed * (normed * gained).mean(-1, keepdim=True)) / divisor
