"""How far a step's choice, gradient and updates in float32 are from dense autograd in float64.

The gradient is compared at the codes that float32 chose, so that a near tie does not hide rounding. Updates are
compared with two rules: that of torch's SparseAdam, which leaves codes that were not chosen where they are, and that of
AdamW, which moves them on by what they were moved by before. The two also put epsilon in different places (beside the
root of the mean square before and after its bias is corrected); without it they are one rule for codes always chosen.
"""

from collections.abc import Iterator

import torch
from cases import BETAS, CASES, LR, Batch, Case, Dense, Ours, batch
from torch import Tensor
from torch.nn import Parameter

N_STEPS, NO_EPS = 4, 1e-30


def rows(picked: str) -> Iterator[dict]:
    """Yield a row for each case whose name holds the word."""
    for case in CASES:
        if picked in case.name:
            batches = [batch(case, seed) for seed in range(N_STEPS)]
            yield {"case": case.name} | first_step(case, batches[0]) | updates(case, batches)


def first_step(case: Case, given: Batch) -> dict:
    """Return the part of slots whose code float64 does not choose, and how far the gradients are from float64's."""
    oracle, ours, dense = Dense(case, torch.float64), Ours(case), Dense(case)
    exact_ids = oracle.gradients(given)
    row = {}
    for name, side in {"mechlab": ours, "dense": dense}.items():
        ids = side.gradients(given)
        exact = Dense(case, torch.float64)
        exact.gradients(given, ids)
        others = 1 - (ids[..., None] == exact_ids[..., None, :]).any(-1).float().mean().item()
        row[name] = {"other_codes": others, "gradient": apart(gradient(side), gradient(exact))}
    return row


def updates(case: Case, batches: list[Batch]) -> dict:
    """Return how far ours is from both rules after the updates, as a part of the change, and for which codes."""
    ours, dense, sparse = Ours(case), Dense(case), SparseRule(case)
    start = ours.codes.clone()
    for given in batches:
        ids = ours.step(given)
        dense.step(given)
        sparse.step(given, ids)
    return {
        "from_sparse_rule": apart(ours.codes, sparse.codes, start),
        "from_adam": apart(ours.codes, dense.codes, start),
    } | where_rules_agree(case, batches)


def where_rules_agree(case: Case, batches: list[Batch]) -> dict:
    """Return how far ours is from AdamW without epsilon: all codes after one update, those always chosen at the end."""
    ours, dense = Ours(case, NO_EPS), Dense(case, eps=NO_EPS)
    start, times_chosen, row = ours.codes.clone(), torch.zeros(len(ours.codes), dtype=torch.int64), {}
    for given in batches:
        numbers = ours.step(given) + case.n_codes * torch.arange(case.n_groups)[:, None]
        times_chosen[numbers.unique()] += 1
        dense.step(given)
        row.setdefault("from_adam_after_one", apart(ours.codes, dense.codes, start))
    always = times_chosen == len(batches)
    return row | {
        "from_adam_where_always_chosen": apart(ours.codes[always], dense.codes[always], start[always]),
        "always_chosen": always.float().mean().item(),
    }


class SparseRule:
    """Dense autograd in float64 at given codes, moved by torch's SparseAdam."""

    def __init__(self, case: Case) -> None:
        self.dense = Dense(case, torch.float64)
        self.optimizer = torch.optim.SparseAdam(self.dense.book.codes, lr=LR, betas=BETAS)

    def step(self, given: Batch, ids: Tensor) -> None:
        """Take a step with the codes that were chosen."""
        self.dense.gradients(given, ids)
        for codes in self.dense.book.codes:
            codes.grad = sparse_by_rows(codes)
        self.optimizer.step()
        self.optimizer.zero_grad()

    @property
    def codes(self) -> Tensor:
        """The codes of all groups, one after another."""
        return self.dense.codes


def sparse_by_rows(codes: Parameter) -> Tensor:
    """Return the gradient with those rows only that are not zero."""
    assert codes.grad is not None
    return codes.grad.to_sparse(1)


def gradient(side: Ours | Dense) -> Tensor:
    """Return the gradient of all codes, dense."""
    parts = [side.book.codes] if isinstance(side, Ours) else side.book.codes
    found = [part.grad for part in parts if part.grad is not None]
    return torch.cat([part.to_dense() if part.is_sparse else part for part in found])


def apart(found: Tensor, exact: Tensor, start: Tensor | None = None) -> float:
    """Return the distance as a part of the length of what is exact, or of its distance from the start."""
    whole = exact.double() if start is None else exact.double() - start.double()
    return float((found.double() - exact.double()).norm() / whole.norm())
