"""A codebook: a vector is replaced by the sum of the few codes most like it, in each of its groups by itself.

1. The vector is normalised, if asked, and cut into groups of equal width.
2. In each group the k most similar codes are found, a few rows at a time.
3. Their sum (or mean) takes the group's place; its gradient goes on to the vector as if nothing had happened.
4. The codes chosen learn from that gradient and from the squared error to the vector, which learns nothing of it.
5. Only the rows of chosen codes have a gradient, so that a step costs what is used and not what there is.
"""

from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any, Literal, NamedTuple

import torch
from jaxtyping import Float, Int
from pydantic import Field, PositiveFloat, PositiveInt, field_validator
from torch import Tensor

from mechlab.core.config import Config
from mechlab.core.products import exact_products
from mechlab.core.randomness import torch_generator
from mechlab.dictionaries.choosing import largest_of_rows
from mechlab.dictionaries.tiles import Tiles

Ids = Int[Tensor, "*batch n_groups k"]
NO_CODE = -1
MANY_ROWS, MANY_PRODUCTS = 16, 1 << 21


class CodebookConfig(Config):
    """Sizes of a codebook and how vectors are compared with codes.

    Codes are numbered from 0 to `n_groups * n_codes - 1`, those of a group one after another.
    """

    d_in: PositiveInt
    n_codes: PositiveInt = Field(default=1000, description="Codes of each group.")
    k: PositiveInt = Field(default=1, description="Codes that stand for a vector, in each group.")
    n_groups: PositiveInt = Field(default=1, description="Equal parts of a vector with codes of their own.")
    combine: Literal["sum", "mean"] = Field(
        default="mean", description="What takes the vector's place: the mean of its codes, or their sum."
    )
    similarity: Literal["cosine", "euclidean"] = Field(
        default="cosine", description="Which codes are most like a vector: by angle, or by distance."
    )
    normalise: bool = Field(default=True, description="Bring every vector to mean 0 and the same variance first.")
    init_norm: PositiveFloat = Field(default=1.0, description="Standard deviation of a code's numbers before training.")

    @field_validator("k")
    @classmethod
    def _k_fits(cls, value: int, info: Any) -> int:
        if value > info.data.get("n_codes", value):
            raise ValueError(f"k is at most n_codes = {info.data['n_codes']}")
        return value

    @field_validator("n_groups")
    @classmethod
    def _groups_divide(cls, value: int, info: Any) -> int:
        if info.data.get("d_in", value) % value:
            raise ValueError(f"groups must divide the width, {info.data['d_in']}")
        return value

    @property
    def d_group(self) -> int:
        """Width of one group."""
        return self.d_in // self.n_groups

    @property
    def n_all(self) -> int:
        """Number of codes of all groups."""
        return self.n_groups * self.n_codes


class Snapped(NamedTuple):
    """What takes the vectors' place, the codes it is made of, the vectors as they were compared, and the squared error,
    summed over a vector's width and averaged over vectors.
    """

    output: Float[Tensor, "*batch d_in"]
    ids: Ids
    compared: Float[Tensor, "*batch d_in"]
    error: Float[Tensor, ""]


class Codebook(torch.nn.Module):
    """Codes of one place in a model; `codes[i]` is code i, as wide as a group, and `scale` the spread they have.

    Source: Tamkin, Taufeeque & Goodman 2023, "Codebook Features", section 2. Normalising and the mean are what the
    authors' code does and the paper leaves out; `combine="sum"`, `normalise=False` is the paper.
    """

    def __init__(self, config: CodebookConfig, seed: int = 0) -> None:
        super().__init__()
        self.config = config
        drawn = torch.randn(config.n_all, config.d_group, generator=torch_generator(seed, "codebook"))
        self.codes = torch.nn.Parameter(drawn * config.init_norm)
        self.register_buffer("scale", torch.ones(()))
        self.scale: Tensor

    def normalised(self, x: Float[Tensor, "*batch d_in"]) -> Float[Tensor, "*batch d_in"]:
        """Return the vectors as codes are compared with them, and as their codes are to stand for them."""
        if not self.config.normalise:
            return x
        return torch.nn.functional.layer_norm(x, x.shape[-1:], self.scale.to(x.dtype).expand(x.shape[-1]))

    def snap(self, x: Float[Tensor, "*batch d_in"]) -> Snapped:
        """Return the vectors' replacements, differentiable in the vectors (straight through) and in the codes."""
        x = self.normalised(x)
        ids = self._nearest(x.detach())
        output, error = Snap.apply(x, self.codes, ids, self._is_mean)  # type: ignore[misc]
        return Snapped(output, ids, x.detach(), error)

    @torch.no_grad()
    def nearest(self, x: Float[Tensor, "*batch d_in"]) -> Ids:
        """Return the k codes of each group that are most like the vectors, the most similar first."""
        return self._nearest(self.normalised(x))

    def decode(self, ids: Ids) -> Float[Tensor, "*batch d_in"]:
        """Return what codes stand for; a slot with `NO_CODE` adds nothing."""
        there = (ids != NO_CODE).to(self.codes.dtype)
        found = torch.nn.functional.embedding_bag(
            ids.clamp(min=0).flatten(0, -2), self.codes, mode="sum", per_sample_weights=there.flatten(0, -2)
        )
        return found.reshape(*ids.shape[:-2], self.config.d_in) / (self.config.k if self._is_mean else 1)

    def forward(self, x: Float[Tensor, "*batch d_in"]) -> Float[Tensor, "*batch d_in"]:
        """Return what takes the vectors' place."""
        return self.snap(x).output

    def number_of(self, group: int, code: int) -> int:
        """Return the number of a group's code among all."""
        return group * self.config.n_codes + code

    @property
    def n_summed(self) -> int:
        """How many codes are added up to stand for a group; 1 where their mean does."""
        return 1 if self._is_mean else self.config.k

    @property
    def _is_mean(self) -> bool:
        return self.config.combine == "mean"

    @torch.no_grad()
    def _nearest(self, x: Float[Tensor, "*batch d_in"]) -> Ids:
        config = self.config
        rows = x.reshape(-1, config.n_groups, config.d_group)
        ids = torch.empty(len(rows), config.n_groups, config.k, dtype=torch.int64, device=x.device)
        many = len(rows) >= MANY_ROWS and len(rows) * config.n_codes * config.d_group >= MANY_PRODUCTS
        with exact_products() if many else nullcontext():
            for group, (codes, bias) in enumerate(self._compared()):
                tiles = Tiles(rows[:, group].contiguous(), codes, bias, None)
                chosen = largest_of_rows(tiles, config.k)
                order = chosen.contributions.view(-1, config.k).argsort(dim=1, descending=True)
                ids[:, group] = chosen.kept.columns.view(-1, config.k).gather(1, order) + group * config.n_codes
        return ids.view(*x.shape[:-1], config.n_groups, config.k)

    def _compared(self) -> Iterator[tuple[Tensor, Tensor | None]]:
        """Yield, for each group, matrix and bias whose largest products are the most similar codes."""
        for codes in self.codes.detach().split(self.config.n_codes):
            if self.config.similarity == "cosine":
                yield torch.nn.functional.normalize(codes, dim=-1), None
            else:
                yield codes, -0.5 * codes.square().sum(-1)


class Snap(torch.autograd.Function):
    """The sum (or mean) of chosen codes, and its squared error, with the gradients of the method.

    The vector's gradient is the output's, unchanged. A chosen code's is that of the output and of the error.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, codes: Tensor, ids: Tensor, mean: bool) -> tuple[Tensor, Tensor]:
        """Return the output and the error."""
        found = torch.nn.functional.embedding_bag(ids.flatten(0, -2), codes, mode="mean" if mean else "sum")
        output = found.reshape(x.shape)
        missed = output - x
        ctx.save_for_backward(missed, ids)
        ctx.shape, ctx.weight = codes.shape, 1 / ids.shape[-1] if mean else 1.0
        return output, torch.linalg.vector_norm(missed, dim=-1).square().mean()

    @staticmethod
    def backward(ctx: Any, grad: Tensor, grad_error: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        """Return the gradients of vectors and codes; that of the codes is sparse."""
        missed, ids = ctx.saved_tensors
        n_vectors = missed.numel() // missed.shape[-1]
        rows = (missed * (2 * ctx.weight / n_vectors * grad_error)).add_(grad, alpha=ctx.weight)
        rows = rows.reshape(-1, ctx.shape[1])
        return grad, summed_by_code(rows, ids.reshape(len(rows), -1), ctx.shape[0]), None, None


def summed_by_code(
    rows: Float[Tensor, "n d_group"], ids: Int[Tensor, "n k"], n_all: int
) -> Float[Tensor, "n_all d_group"]:
    """Return for each code the sum of the rows that chose it, as a sparse tensor of the codes that were chosen."""
    codes, order = ids.flatten().int().sort(stable=True)
    used, counts = torch.unique_consecutive(codes, return_counts=True)
    starts = torch.nn.functional.pad(counts.cumsum(0)[:-1], (1, 0))
    chosen_by = order.div_(ids.shape[1], rounding_mode="floor")
    sums = torch.nn.functional.embedding_bag(chosen_by, rows, starts, mode="sum")
    return torch.sparse_coo_tensor(
        used[None].long(), sums, (n_all, rows.shape[1]), is_coalesced=True, check_invariants=False
    )
