"""Codebooks that start where a model's activations are: layer by layer, each behind those that started before it."""

from collections.abc import Mapping

import torch
from jaxtyping import Int
from torch import Tensor

from mechlab.core.config import build
from mechlab.core.progress import SILENT, Progress
from mechlab.core.randomness import sub_seed, torch_generator
from mechlab.dictionaries.codebook import Codebook, CodebookConfig
from mechlab.dictionaries.upkeep import start_from
from mechlab.interventions.codebook_model import CodebookModel
from mechlab.models.language_model import LanguageModel
from mechlab.models.sites import Site, sites_of


def new_codebooks(
    model: LanguageModel, sites: str | tuple[Site, ...], like: Mapping[str, object], seed: int = 0
) -> dict[str, Codebook]:
    """Return codebooks as wide as their sites, their codes drawn at random.

    Where a site has an axis for heads, each head is a group; elsewhere groups are as many as asked.

    Args:
        model: whose sites they are.
        sites: where they are to be; as text, names parted by commas: `mlp_out.1`, or `mlp_out` for every layer.
        like: their options but for the width.
        seed: of the draws, which differ from site to site.

    Raises:
        UsageError: the model has no such site.
        ConfigError: groups do not divide a site's width, or k is more than there are codes.
    """
    row = torch.zeros(1, 2, dtype=torch.long)
    books = {}
    places = sites_of(sites, model.spec) if isinstance(sites, str) else sites
    for number, (site, found) in enumerate(model.activations(row, list(places)).items()):
        n_groups = {"n_groups": found.shape[2]} if found.ndim == 4 else {}
        config = build(CodebookConfig, {**like, **n_groups, "d_in": found.flatten(2).shape[-1]})
        books[site] = Codebook(config, seed=sub_seed(seed, f"codes {number}")).to(model.device)
    return books


def start_codebooks(
    model: CodebookModel,
    tokens: Int[Tensor, "rows pos"],
    *,
    seed: int = 0,
    n_iterations: int = 8,
    progress: Progress = SILENT,
) -> None:
    """Put all codes at the spherical centres of what arrives at their sites, behind the codebooks before.

    Args:
        model: its codebooks stand in the order of the forward pass.
        tokens: the rows whose activations are clustered, in one pass per site.
        seed: of where centres start.
        n_iterations: of k-means.
        progress: where to report.
    """
    started: list[str] = []
    with progress.task("placing codes", len(model.codebooks), "sites") as task:
        for site, codebook in model.codebooks.items():
            with model.codebooks_at(started):
                found = model.activations(tokens, [site])[site]
            start_from(codebook, found.flatten(2).flatten(0, 1), torch_generator(seed, f"centres {site}"), n_iterations)
            started.append(site)
            task.advance(1)
