"""Used rows move as torch's own sparse Adam moves them, the others not at all, and a run goes on to the bit."""

import pytest
import torch
from torch import Tensor
from torch.nn import Parameter

from mechlab.training import row_adam
from mechlab.training.row_adam import RowAdam
from mechlab.training.state import optimizer_tensors, restore_optimizer

SHAPES = ((40, 6), (7, 3))
SETTINGS = {"lr": 0.1, "betas": (0.8, 0.95)}


def parameters(dtype: torch.dtype = torch.float32) -> list[Parameter]:
    draw = torch.Generator().manual_seed(0)
    return [Parameter(torch.randn(shape, generator=draw).to(dtype)) for shape in SHAPES]


def give_gradients(to: list[Parameter], step: int, twice: bool = False) -> list[Tensor]:
    """Give each parameter a gradient of about half of its rows; return which rows."""
    draw, used = torch.Generator().manual_seed(step), []
    for parameter in to:
        rows = (torch.rand(len(parameter), generator=draw) < 0.5).nonzero().squeeze(1)
        values = torch.randn(len(rows), parameter.shape[1], generator=draw).to(parameter.dtype)
        if twice:
            rows, values = torch.cat([rows.flip(0), rows]), torch.cat([values, values])
        parameter.grad = torch.sparse_coo_tensor(rows[None], values, parameter.shape, check_invariants=True)
        used.append(rows.unique())
    return used


@pytest.mark.parametrize("twice", [False, True])
@pytest.mark.parametrize("numbers", [1, 20, 1 << 18])
@pytest.mark.parametrize(("dtype", "near"), [(torch.float32, 1e-6), (torch.float64, 1e-14)])
def test_its_steps_are_those_of_torchs_sparse_adam(
    dtype: torch.dtype, near: float, numbers: int, twice: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(row_adam, "NUMBERS_AT_ONCE", numbers)
    own, torchs = parameters(dtype), parameters(dtype)
    sides = (own, RowAdam(own, **SETTINGS)), (torchs, torch.optim.SparseAdam(torchs, **SETTINGS))
    for step in range(12):
        for moved, optimizer in sides:
            give_gradients(moved, step, twice)
            optimizer.param_groups[0]["lr"] = 0.1 / (1 + step)
            optimizer.step()
            optimizer.zero_grad()
    for mine, wanted in zip(own, torchs, strict=True):
        torch.testing.assert_close(mine, wanted, rtol=near, atol=near)
        for name in ("exp_avg", "exp_avg_sq"):
            torch.testing.assert_close(
                sides[0][1].state[mine][name], sides[1][1].state[wanted][name], rtol=near, atol=near
            )


def test_rows_without_a_gradient_stay_as_they_are_and_so_do_their_moments() -> None:
    own = parameters()
    optimizer = RowAdam(own, **SETTINGS)
    give_gradients(own, 0)
    optimizer.step()
    used = give_gradients(own, 1)
    kept = [(one, *(optimizer.state[one][name] for name in ("exp_avg", "exp_avg_sq"))) for one in own]
    before = [[tensor.detach().clone() for tensor in tensors] for tensors in kept]
    optimizer.step()
    for rows, tensors, then in zip(used, kept, before, strict=True):
        for tensor, was in zip(tensors, then, strict=True):
            changed = (tensor != was).any(1).nonzero().squeeze(1)
            assert torch.equal(changed, rows)


def test_a_parameter_without_a_gradient_and_one_whose_gradient_is_empty_stay() -> None:
    own = parameters()
    before = [one.detach().clone() for one in own]
    own[0].grad = torch.sparse_coo_tensor(
        torch.zeros(1, 0, dtype=torch.int64), torch.zeros(0, 6), SHAPES[0], check_invariants=True
    )
    RowAdam(own, **SETTINGS).step()
    assert all(torch.equal(one, was) for one, was in zip(own, before, strict=True))


@pytest.mark.parametrize("earlier", [RowAdam, torch.optim.SparseAdam])
def test_a_stored_state_goes_on_to_the_same_bytes_also_one_of_torchs_sparse_adam(
    earlier: type[torch.optim.Optimizer],
) -> None:
    whole = parameters()
    optimizer = earlier(whole, **SETTINGS)
    for step in range(3):
        give_gradients(whole, step)
        optimizer.step()
    again = [Parameter(one.detach().clone()) for one in whole]
    named, named_again = (dict(zip("ab", side, strict=True)) for side in (whole, again))
    stored = {name: value.clone() for name, value in optimizer_tensors(optimizer, named).items()}
    resumed, uninterrupted = RowAdam(again, **SETTINGS), RowAdam(whole, **SETTINGS)
    uninterrupted.load_state_dict(optimizer.state_dict())
    restore_optimizer(resumed, named_again, stored)
    for step in range(3, 6):
        for side, of in ((whole, uninterrupted), (again, resumed)):
            give_gradients(side, step)
            of.step()
    assert all(torch.equal(one, other) for one, other in zip(whole, again, strict=True))
