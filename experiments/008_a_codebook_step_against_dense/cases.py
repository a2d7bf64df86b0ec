"""The cases of the comparison, and both sides at the same start, given the same vectors and the same gradient."""

from dataclasses import dataclass, replace

import torch
from dense import DenseBook
from torch import Tensor
from torch.nn.functional import layer_norm

from mechlab.dictionaries.codebook import Codebook, CodebookConfig
from mechlab.training.row_adam import RowAdam

FOR_CODES = 1_000_000  # a seed that no batch has
N_CODES, LR, BETAS, EPS = 10_000, 1e-3, (0.9, 0.999), 1e-8
NEARNESS = 0.3


@dataclass(frozen=True)
class Case:
    """One row of a table: sizes, around how many points the vectors lie (None: everywhere), and whether codes do."""

    d_in: int
    n_groups: int
    k: int
    n_tokens: int
    n_points: int | None = None
    codes_too: bool = False
    n_codes: int = N_CODES

    @property
    def name(self) -> str:
        """Return what the row is called."""
        sizes = f"d {self.d_in}, {self.n_groups} x {self.n_codes:,} codes, k {self.k}, {self.n_tokens:,} tokens"
        around = "" if self.n_points is None else f" around {self.n_points} points"
        return sizes + around + (", as codes are" if self.codes_too else "")

    @property
    def config(self) -> CodebookConfig:
        """The codebook's sizes."""
        return CodebookConfig(d_in=self.d_in, n_codes=self.n_codes, k=self.k, n_groups=self.n_groups)


CASES = [
    Case(512, n_groups=1, k=8, n_tokens=4096),
    Case(512, n_groups=1, k=1, n_tokens=4096),
    Case(512, n_groups=8, k=8, n_tokens=4096),
    Case(1024, n_groups=16, k=8, n_tokens=2048),
    Case(512, n_groups=1, k=8, n_tokens=4096, n_points=100),
    Case(512, n_groups=1, k=8, n_tokens=4096, n_points=100, codes_too=True),
]


@dataclass(frozen=True)
class Batch:
    """Vectors that arrive at a codebook, and the prediction loss's gradient at what takes their place."""

    x: Tensor
    grad: Tensor


def batch(case: Case, seed: int) -> Batch:
    """Return a batch drawn from a seed."""
    draw, of_points = (torch.Generator().manual_seed(number) for number in (seed, 0))
    x, grad = (torch.randn(case.n_tokens, case.d_in, generator=draw) for _ in range(2))
    if case.n_points is not None:
        points = torch.randn(case.n_points, case.d_in, generator=of_points)
        x = points[torch.randint(case.n_points, (case.n_tokens,), generator=draw)] + NEARNESS * x
    return Batch(x, grad / case.n_tokens)


@torch.no_grad()
def start(case: Case) -> Codebook:
    """Return the codebook that both sides start from."""
    book = Codebook(case.config)
    if case.codes_too:
        vectors = batch(replace(case, n_tokens=case.n_codes), FOR_CODES).x
        book.codes.copy_(layer_norm(vectors, vectors.shape[-1:]).view(book.codes.shape))
    return book


class Ours:
    """mechlab's codebook and what fine-tuning moves it with."""

    def __init__(self, case: Case, eps: float = EPS) -> None:
        self.book = start(case)
        self.optimizer = RowAdam([self.book.codes], lr=LR, betas=BETAS, eps=eps)

    def step(self, given: Batch) -> Tensor:
        """Take a training step and return the codes it chose, numbered within each group."""
        ids = self.gradients(given)
        self.optimizer.step()
        self.optimizer.zero_grad()
        return ids

    def gradients(self, given: Batch) -> Tensor:
        """Leave the step's gradient in the codes and return the codes chosen."""
        snapped = self.book.snap(given.x.detach().requires_grad_())
        torch.autograd.backward([snapped.output, snapped.error], [given.grad, torch.ones(())])
        return snapped.ids % self.book.config.n_codes

    @property
    def codes(self) -> Tensor:
        """The codes of all groups, one after another."""
        return self.book.codes.detach()


class Dense:
    """The dense codebook under AdamW without decay, from the same codes, in any precision."""

    def __init__(self, case: Case, dtype: torch.dtype = torch.float32, eps: float = EPS) -> None:
        codes = start(case).codes.detach().to(dtype)
        self.book = DenseBook(list(codes.split(case.n_codes)), case.k)
        self.optimizer = torch.optim.AdamW(self.book.codes, lr=LR, betas=BETAS, eps=eps, weight_decay=0.0)

    def step(self, given: Batch) -> Tensor:
        """Take a training step and return the codes it chose, numbered within each group."""
        ids = self.gradients(given)
        self.optimizer.step()
        self.optimizer.zero_grad()
        return ids

    def gradients(self, given: Batch, ids: Tensor | None = None) -> Tensor:
        """Leave the step's gradient in the codes and return the codes chosen, or given."""
        dtype = self.book.codes[0].dtype
        output, chosen = self.book(given.x.detach().to(dtype).requires_grad_(), ids)
        output.backward(given.grad.to(dtype))
        return chosen

    @property
    def codes(self) -> Tensor:
        """The codes of all groups, one after another."""
        return torch.cat([group.detach() for group in self.book.codes])
