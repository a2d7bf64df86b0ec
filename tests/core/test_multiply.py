"""What multiplies: float32 unless bfloat16 is asked for; then each factor is rounded once and the sum is not."""

import pytest
import torch

from mechlab.core.multiply import multiplication, multiplier


def matrices() -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(0)
    return torch.randn(9, 300, generator=draw), torch.nn.Parameter(torch.randn(7, 300, generator=draw))


@pytest.mark.parametrize(("precision", "low", "high"), [("float32", 0.0, 1e-6), ("bfloat16", 1e-4, 1e-2)])
def test_products_are_as_exact_as_the_precision_says(precision: str, low: float, high: float) -> None:
    left, weight = matrices()
    exact = left.double() @ weight.detach().double().T
    with multiplication(precision), torch.no_grad():
        found = multiplier().product(left, weight.T)
        written = multiplier().product(left, weight.T, out=torch.empty(9, 7))
        total = torch.ones(9, 7)
        multiplier().add_product(total, left, weight.T)
    assert found.dtype == written.dtype == torch.float32
    error = float((found - exact).abs().max() / exact.abs().max())
    assert low <= error <= high
    assert torch.equal(found, written)
    torch.testing.assert_close(total, found + 1)


def test_rounded_products_are_those_of_the_rounded_factors() -> None:
    left, weight = matrices()
    exact = left.bfloat16().double() @ weight.detach().bfloat16().double().T
    with multiplication("bfloat16"), torch.no_grad():
        found = multiplier().product(left, weight.T)
    torch.testing.assert_close(found.double(), exact, rtol=2**-8, atol=1e-5)


def test_views_of_a_parameter_are_multiplied_as_views() -> None:
    left, weight = matrices()
    with multiplication("bfloat16"), torch.no_grad():
        by = multiplier()
        whole = by.product(left, weight.T)
        torch.testing.assert_close(by.product(left, weight[2:5].T), whole[:, 2:5])
        torch.testing.assert_close(by.product(weight, left.T), whole.T)


def test_a_parameter_that_has_changed_is_rounded_anew_in_the_next_context() -> None:
    left, weight = matrices()
    for _ in range(2):
        with multiplication("bfloat16"), torch.no_grad():
            found = multiplier().product(left, weight.T)
        torch.testing.assert_close(found, left @ weight.detach().T, rtol=0.05, atol=0.5)
        weight.data.mul_(-3.0)


def test_outside_and_after_an_exception_products_are_of_float32() -> None:
    left, weight = matrices()
    with pytest.raises(RuntimeError, match="inside"), multiplication("bfloat16"):
        raise RuntimeError("inside")
    torch.testing.assert_close(multiplier().product(left, weight.detach().T), left @ weight.detach().T)
