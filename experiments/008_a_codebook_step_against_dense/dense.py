"""A codebook the dense way, as the authors' package takes it: all logits at once, gradients and moments of all codes.

1. A group's similarities to all its codes are one matrix, divided by the codes' lengths into a second one.
2. The chosen rows of the embedding are read out, each by itself, and averaged.
3. The gradient of the output and that of the squared error are dense, [n_codes, d_group] each, and added up.
4. AdamW moves every code, chosen or not.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import Parameter
from torch.nn.functional import embedding, layer_norm


class DenseSnap(torch.autograd.Function):
    """The mean of the k codes most like a vector; the vector's gradient is the output's."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, codes: Tensor, k: int, ids: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return the output and the codes, chosen here unless they are given."""
        chosen = nearest(x, codes, k) if ids is None else ids
        with torch.enable_grad():
            output = embedding(chosen, codes).sum(dim=-2) / k
        ctx.save_for_backward(x, codes, output)
        return output.detach().clone(), chosen

    @staticmethod
    def backward(ctx: Any, grad: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        """Return the gradients of the vectors and of all codes."""
        x, codes, output = ctx.saved_tensors
        with torch.enable_grad():
            error = (output - x).square().sum(dim=-1).mean()
        of_codes = torch.autograd.grad(error, codes, retain_graph=True)[0]
        of_codes += torch.autograd.grad(output, codes, grad)[0]
        return grad, of_codes, None, None


def nearest(x: Tensor, codes: Tensor, k: int) -> Tensor:
    """Return the k codes most like each vector, by all logits at once."""
    logits = x @ codes.T / torch.linalg.vector_norm(codes, dim=-1)
    return logits.topk(k, dim=-1).indices


class DenseBook:
    """A codebook per group, one group after the other."""

    def __init__(self, codes: list[Tensor], k: int) -> None:
        self.codes, self.k = [Parameter(group.clone()) for group in codes], k

    def __call__(self, x: Tensor, ids: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return what takes the place of vectors [n, d_in], and codes [n, n_groups, k] numbered within each group."""
        parts = layer_norm(x, x.shape[-1:]).chunk(len(self.codes), dim=-1)
        given = [None] * len(parts) if ids is None else list(ids.unbind(1))
        snapped = [DenseSnap.apply(*group, self.k, own) for *group, own in zip(parts, self.codes, given, strict=True)]
        outputs, chosen = zip(*snapped, strict=True)
        return torch.cat(outputs, dim=-1), torch.stack(chosen, dim=1)
