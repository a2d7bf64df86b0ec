"""Keeping a codebook in use: codes that start where vectors are, and codes nobody chooses put where vectors are.

1. Spherical k-means: assign each vector to the centre nearest by angle, move centres to the mean of what they got.
2. A centre that got nothing is put on a vector drawn at random.
3. A code that was not chosen for a while becomes a vector of the latest batch, somewhat disturbed.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mechlab.dictionaries.choosing import largest_of_rows
from mechlab.dictionaries.codebook import Codebook
from mechlab.dictionaries.tiles import Tiles

DISTURBANCE = 1e-3


@torch.no_grad()
def spherical_centres(
    rows: Float[Tensor, "n width"], n_centres: int, draw: torch.Generator, n_iterations: int = 8
) -> Float[Tensor, "n_centres width"]:
    """Return centres of the rows by angle: each is the mean of the rows that are nearer to it than to any other.

    Source: Dhillon & Modha 2001, "Concept decompositions for large sparse text data using clustering", section 3; means
    are of the rows as they are, not of length one, so that a centre can stand for its rows.
    """
    centres = drawn_rows(rows, n_centres, draw)
    for _ in range(n_iterations):
        unit = torch.nn.functional.normalize(centres, dim=-1)
        owner = largest_of_rows(Tiles(rows, unit, None, None), 1).kept.columns
        sizes = owner.bincount(minlength=n_centres)
        centres = torch.zeros_like(centres).index_add_(0, owner, rows) / sizes.clamp(min=1)[:, None]
        empty = sizes == 0
        centres[empty] = drawn_rows(rows, int(empty.sum()), draw)
    return centres


@torch.no_grad()
def start_from(codebook: Codebook, rows: Float[Tensor, "n d_in"], draw: torch.Generator, n_iterations: int = 8) -> None:
    """Put the codes of every group at the spherical centres of what the group holds in these vectors.

    Where vectors are normalised it is to the spread that these have, so that codes stand for them as they are.
    """
    config = codebook.config
    codebook.scale.copy_(rows.std(dim=-1, correction=0).mean())
    for group, part in enumerate(codebook.normalised(rows).split(config.d_group, dim=-1)):
        centres = spherical_centres(part.contiguous(), config.n_codes, draw, n_iterations)
        first = codebook.number_of(group, 0)
        codebook.codes[first : first + config.n_codes] = centres / codebook.n_summed


@torch.no_grad()
def revive(
    codebook: Codebook, unused: Bool[Tensor, "n_all"], compared: Float[Tensor, "n d_in"], draw: torch.Generator
) -> None:
    """Put unused codes at vectors drawn from a batch, each disturbed by a thousandth of itself.

    Args:
        codebook: whose codes.
        unused: which of them.
        compared: vectors of a batch, as codes are compared with them.
        draw: source of chance.
    """
    config = codebook.config
    for group, part in enumerate(compared.split(config.d_group, dim=-1)):
        first = codebook.number_of(group, 0)
        codes = unused[first : first + config.n_codes].nonzero().squeeze(1)
        found = drawn_rows(part, len(codes), draw)
        noise = torch.randn(found.shape, generator=draw).to(found) * found.norm(dim=-1, keepdim=True)
        codebook.codes[first + codes] = (found + DISTURBANCE * noise) / codebook.n_summed


def drawn_rows(rows: Float[Tensor, "n width"], n_wanted: int, draw: torch.Generator) -> Float[Tensor, "wanted width"]:
    """Return rows drawn without replacement, or with it where there are fewer than wanted."""
    places = (
        torch.randperm(len(rows), generator=draw)[:n_wanted]
        if n_wanted <= len(rows)
        else torch.randint(len(rows), (n_wanted,), generator=draw)
    )
    return rows[places.to(rows.device)].clone()
