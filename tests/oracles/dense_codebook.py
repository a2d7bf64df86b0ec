"""A codebook as plain dense PyTorch: all similarities at once, autograd through a one-hot product."""

import torch
from torch import Tensor

from mechlab.dictionaries.codebook import CodebookConfig


def dense_snap(x: Tensor, codes: Tensor, config: CodebookConfig) -> tuple[Tensor, Tensor, Tensor]:
    """Return output, the chosen codes (most similar first) and the squared error, all differentiable by autograd."""
    if config.normalise:
        x = torch.nn.functional.layer_norm(x, x.shape[-1:])
    groups = x.unflatten(-1, (config.n_groups, config.d_group))
    books = codes.view(config.n_groups, config.n_codes, config.d_group)
    if config.similarity == "cosine":
        unit = torch.nn.functional.normalize(books.detach(), dim=-1)
        likeness = torch.einsum("...gd,gcd->...gc", groups.detach(), unit)
    else:
        likeness = -(groups.detach().unsqueeze(-2) - books.detach()).norm(dim=-1)
    ids = likeness.topk(config.k, dim=-1).indices
    one_hot = torch.zeros_like(likeness).scatter(-1, ids, 1.0)
    chosen = torch.einsum("...gc,gcd->...gd", one_hot, books)
    chosen = (chosen / config.k if config.combine == "mean" else chosen).flatten(-2)
    error = (chosen - x.detach()).square().sum(-1).mean()
    first = torch.arange(config.n_groups) * config.n_codes
    return chosen + x - x.detach(), ids + first[:, None], error
