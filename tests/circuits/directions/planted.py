"""Labelled vectors in which one direction is planted, with a spread that is not the same along all axes."""

import torch
from oracles.tiny_models import D_MODEL

from mechlab.circuits.directions.examples import Examples, in_pairs, separate

SITE, MODEL = "resid_post.1", "planted"


def planted_direction(d: int = D_MODEL, seed: int = 0) -> torch.Tensor:
    """Return the direction, of length one."""
    drawn = torch.randn(d, generator=torch.Generator().manual_seed(1000 + seed))
    return drawn / drawn.norm()


def planted(n: int = 40, shift: float = 4.0, seed: int = 0, *, paired: bool = True, d: int = D_MODEL) -> Examples:
    """Return n examples of each class about a far centre; positives are shifted along the planted direction.

    Paired ones share half of what is random. One axis, across the planted one, is louder than all others.
    """
    generator = torch.Generator().manual_seed(seed)
    along = planted_direction(d)
    loud = torch.randn(d, generator=generator)
    loud = loud - loud @ along * along
    loud = loud / loud.norm()
    common = torch.randn(n, d, generator=generator) + 2.0 * torch.randn(n, 1, generator=generator) * loud
    sides = [common + 0.7 * torch.randn(n, d, generator=generator) for _ in range(2)]
    sides = [side + torch.randn(n, 1, generator=generator) * loud + 5.0 for side in sides]
    return (in_pairs if paired else separate)(SITE, MODEL, sides[0] + shift * along, sides[1])
