"""How rarely chance gives a score: the upper tail of a weighted mean of squares of a random direction.

1. For a direction u drawn evenly from the unit sphere in d dimensions, a squared score is `Q = sum_j w_j u_j^2`.
2. `Q > c` means `sum_j (w_j - c) g_j^2 - c sum_rest g^2 > 0` for independent normal g: a quadratic form above 0.
3. Its tail is a saddlepoint's: exact to a few per cent of the probability, however small that is.
4. It is worked out on a grid of c for each receiver, and read between grid points by its logarithm.
5. Below one standard deviation, where the formula is singular at the mean, a gamma variable with the same mean and
   variance stands for Q.
"""

import numpy as np
import torch
from jaxtyping import Float
from scipy import special
from torch import Tensor

N_GRID, N_HALVINGS, FIRST = 64, 80, 1.0
NEVER = 1e-300


def sphere_mean(weights: Float[Tensor, "*many k"], d: float) -> Float[Tensor, "*many"]:
    """Return the mean of Q over directions."""
    return weights.sum(-1) / d


def sphere_sd(weights: Float[Tensor, "*many k"], d: float) -> Float[Tensor, "*many"]:
    """Return the standard deviation of Q over directions."""
    total, squares = weights.sum(-1), weights.square().sum(-1)
    return (2 * (d * squares - total**2) / (d**2 * (d + 2))).clamp(min=0).sqrt()


def upper_tails(
    weights: Float[Tensor, "n_receivers k"], d: float, z: Float[Tensor, "n_receivers n"]
) -> Float[Tensor, "n_receivers n"]:
    """Return the chance that Q lies more than `z` standard deviations above its mean; NaN where z is.

    Args:
        weights: each receiver's w, not negative.
        d: dimensions of the sphere, at least as many as weights.
        z: how far above, for each receiver.

    Source: Kuonen 1999, "Saddlepoint approximations for distributions of quadratic forms in normal variables",
    Biometrika 86(4).
    """
    mean, sd = sphere_mean(weights, d), sphere_sd(weights, d)
    top = (weights.amax(-1) - mean) / sd.clamp(min=NEVER)
    steps = torch.linspace(0, 1, N_GRID, dtype=torch.float64) ** 2
    grid = FIRST + (top[:, None] * (1 - 1e-6) - FIRST).clamp(min=0) * steps
    logs = _log_tails(weights.double(), d, mean[:, None] + grid * sd[:, None])
    near = _gamma_tails(mean, sd, z)
    lines = zip(z.double().numpy(), grid.numpy(), logs.numpy(), strict=True)
    found = [np.interp(own, points, log, right=np.log(NEVER)) for own, points, log in lines]
    return torch.where(z < FIRST, near, torch.from_numpy(np.exp(np.stack(found))).to(near))


def _log_tails(weights: Float[Tensor, "n k"], d: float, bound: Float[Tensor, "n n_grid"]) -> Float[Tensor, "n n_grid"]:
    """Return the logarithm of the chance that Q is above each bound, by the saddlepoint."""
    forms = weights[:, None, :] - bound[..., None]
    rest = d - weights.shape[-1]
    low, high = torch.zeros_like(bound), 0.5 / forms.amax(-1)
    for _ in range(N_HALVINGS):
        point = (low + high) / 2
        slope = (forms / (1 - 2 * point[..., None] * forms)).sum(-1) - rest * bound / (1 + 2 * point * bound)
        low, high = torch.where(slope < 0, point, low), torch.where(slope < 0, high, point)
    point = (low + high) / 2
    inner = 1 - 2 * point[..., None] * forms
    value = -0.5 * (inner.log().sum(-1) + rest * torch.log1p(2 * point * bound))
    curve = 2 * ((forms / inner).square().sum(-1) + rest * (bound / (1 + 2 * point * bound)).square())
    w, v = (-2 * value).clamp(min=0).sqrt(), point * curve.sqrt()
    return torch.special.log_ndtr(-(w + (v / w).log() / w))


def _gamma_tails(mean: Float[Tensor, "n"], sd: Float[Tensor, "n"], z: Float[Tensor, "n m"]) -> Float[Tensor, "n m"]:
    shape, scale = (mean / sd) ** 2, sd**2 / mean
    above = (mean[:, None] + z.double() * sd[:, None]).clamp(min=0) / scale[:, None]
    return torch.from_numpy(special.gammaincc(shape[:, None].numpy(), above.numpy()))
