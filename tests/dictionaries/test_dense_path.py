"""What codes decode to, their sums and all gradients are those of the plain expressions."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from mechlab.core.multiply import multiplication
from mechlab.dictionaries import dense_path
from mechlab.dictionaries.centred_linear import gradients_in_place
from mechlab.dictionaries.dense_path import Entries, Weights, decoded
from mechlab.dictionaries.gate import Gate, gated
from mechlab.dictionaries.rectifier import Rectifier

ROWS, D_IN, D_SAE, D_OUT = 40, 5, 7, 3
PLAIN: dict[type[Entries], Callable[..., tuple[Tensor, ...]]] = {
    Rectifier: lambda pre: (pre.relu(),),
    Gate: lambda pre, slope, offset: (gated(pre, slope, offset), pre.relu()),
}
N_RATES = {Rectifier: 0, Gate: 2}
of_every_kind = pytest.mark.parametrize("kind", PLAIN, ids=lambda kind: kind.__name__)


def drawn(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def leaves(kind: type[Entries], *, centre: bool = True) -> tuple[Weights, list[Tensor]]:
    own = Weights(drawn(1, D_SAE, D_IN), drawn(2, D_SAE), drawn(3, D_IN) if centre else None, drawn(4, D_SAE, D_OUT))
    rates = [drawn(5 + number, D_SAE) for number in range(N_RATES[kind])]
    for leaf in (*vars(own).values(), *rates):
        if leaf is not None:
            leaf.requires_grad_()
    return own, rates


def plain(kind: type[Entries], x: Tensor, own: Weights, rates: list[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    pre = (x if own.centre is None else x - own.centre) @ own.encoder.T + own.b_enc
    codes = PLAIN[kind](pre, *rates)
    return torch.cat(codes) @ own.W_dec, codes[-1].sum(0), (codes[0] > 0).sum(0).double()


def backward(found: tuple[Tensor, Tensor, Tensor]) -> None:
    summed, sums, _ = found
    ((summed * drawn(8, *summed.shape)).sum() + sums @ drawn(9, D_SAE)).backward()


def assert_same_gradients(ours: tuple[Weights, list[Tensor]], theirs: tuple[Weights, list[Tensor]]) -> None:
    (mine, my_rates), (other, other_rates) = ours, theirs
    pairs = zip([*vars(mine).values(), *my_rates], [*vars(other).values(), *other_rates], strict=True)
    for leaf, wanted in pairs:
        if leaf is not None:
            torch.testing.assert_close(leaf.grad, wanted.grad)


@of_every_kind
@pytest.mark.parametrize("numbers", [D_SAE * 9, 10**6], ids=["a few rows at a time", "at once"])
@pytest.mark.parametrize("centre", [True, False], ids=["centred", "plain"])
def test_values_and_gradients_are_those_of_autograd(
    kind: type[Entries], centre: bool, numbers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dense_path, "TILE_NUMBERS", numbers)
    ours, theirs, x = leaves(kind, centre=centre), leaves(kind, centre=centre), drawn(7, ROWS, D_IN)
    found, expected = decoded(x, kind(), *ours), plain(kind, x, *theirs)
    for mine, other in zip(found, expected, strict=True):
        torch.testing.assert_close(mine, other)
    backward(found)
    backward(expected)
    assert_same_gradients(ours, theirs)


@of_every_kind
def test_gradients_add_up_in_place(kind: type[Entries]) -> None:
    ours, theirs, x = leaves(kind), leaves(kind), drawn(7, ROWS, D_IN)
    with gradients_in_place():
        for part in (x[:15], x[15:]):
            decoded(part, kind(), *ours)[0].sum().backward()
    plain(kind, x, *theirs)[0].sum().backward()
    assert_same_gradients(ours, theirs)


@of_every_kind
def test_with_rounded_products_all_is_near_and_codes_are_rounded(kind: type[Entries]) -> None:
    ours, theirs, x = leaves(kind), leaves(kind), drawn(7, ROWS, D_IN)
    single = [leaf if leaf is None else leaf.detach().float().requires_grad_() for leaf in vars(ours[0]).values()]
    rates = [rate.detach().float().requires_grad_() for rate in ours[1]]
    with multiplication("bfloat16"):
        found = decoded(x.float(), kind(), Weights(*single), rates)
        assert found[0].grad_fn.saved_tensors[3].dtype == torch.bfloat16
        backward(tuple(part.double() for part in found))
    expected = plain(kind, x, *theirs)
    backward(expected)
    torch.testing.assert_close(found[0].double(), expected[0], rtol=0.05, atol=0.2)
    for leaf, wanted in zip([*single, *rates], [*vars(theirs[0]).values(), *theirs[1]], strict=True):
        apart = (leaf.grad.double() - wanted.grad).norm() / wanted.grad.norm()
        assert 1e-5 < apart < 0.05
