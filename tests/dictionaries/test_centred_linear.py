"""The encoder's linear map has the gradients autograd would find."""

import torch

from mechlab.dictionaries.centred_linear import centred_linear


def test_it_is_the_plain_expression_in_value_and_gradients() -> None:
    draw = torch.Generator().manual_seed(0)
    leaves = [torch.randn(shape, generator=draw, dtype=torch.float64) for shape in [(5, 3), (7, 3), (7,), (3,)]]
    ours = [leaf.clone().requires_grad_() for leaf in leaves]
    plain = [leaf.clone().requires_grad_() for leaf in leaves]
    value = centred_linear(*ours)
    expected = (plain[0] - plain[3]) @ plain[1].T + plain[2]
    torch.testing.assert_close(value, expected)
    value.square().sum().backward()
    expected.square().sum().backward()
    for one, other in zip(ours, plain, strict=True):
        torch.testing.assert_close(one.grad, other.grad)


def test_without_a_centre_nothing_is_subtracted() -> None:
    x, weight, bias = torch.randn(5, 3), torch.randn(7, 3), torch.randn(7)
    torch.testing.assert_close(centred_linear(x, weight, bias, None), x @ weight.T + bias)
