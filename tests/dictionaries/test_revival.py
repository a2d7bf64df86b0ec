"""Dead features, and only they, learn what the living leave over."""

import pytest
import torch
from torch import Tensor

from mechlab.dictionaries import KINDS
from mechlab.dictionaries.dictionary import Dictionary, StepContext
from mechlab.dictionaries.revival import auxiliary_loss

D_IN, D_SAE = 8, 20


@pytest.fixture
def dictionary() -> Dictionary:
    kind = KINDS["topk"]
    return kind(kind.Config(d_in=D_IN, d_sae=D_SAE, k=3, decoder_init_norm=1.0)).double()


@pytest.fixture
def x() -> Tensor:
    return torch.randn(30, D_IN, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def dead(n: int) -> Tensor:
    return torch.arange(D_SAE) < n


def test_without_dead_features_there_is_nothing_to_learn(dictionary: Dictionary, x: Tensor) -> None:
    assert auxiliary_loss(dictionary, x, x, dead(0), True) == 0


@pytest.mark.parametrize("n", [1, 3, 4, 15])
def test_it_is_the_error_of_the_best_dead_features_alone(dictionary: Dictionary, x: Tensor, n: int) -> None:
    left_over = x.flip(0)
    pre = (x @ dictionary.encoder.T)[:, :n]
    best = pre.topk(min(n, D_IN // 2)).indices
    codes = torch.zeros_like(pre).scatter(1, best, pre.gather(1, best))
    error = (codes @ dictionary.W_dec[:n] - left_over).square().sum(-1).mean()
    expected = min(1.0, n / (D_IN // 2)) * error
    torch.testing.assert_close(auxiliary_loss(dictionary, x, left_over, dead(n), True), expected)


def test_living_features_get_no_gradient_from_it(dictionary: Dictionary, x: Tensor) -> None:
    auxiliary_loss(dictionary, x, x, dead(15), True).backward()
    for parameter in (dictionary.encoder, dictionary.W_dec, dictionary.b_enc):
        assert parameter.grad is not None
        assert (parameter.grad[15:] == 0).all()
        assert (parameter.grad[:15] != 0).any()


def test_ranking_by_decoder_norm_prefers_what_contributes_more(dictionary: Dictionary, x: Tensor) -> None:
    with torch.no_grad():
        dictionary.W_dec[:6] *= 100.0
    auxiliary_loss(dictionary, x.abs(), x, dead(15), True).backward()
    by_norm = dictionary.b_enc.grad
    dictionary.b_enc.grad = None
    auxiliary_loss(dictionary, x.abs(), x, dead(15), False).backward()
    assert by_norm is not None and dictionary.b_enc.grad is not None
    assert (by_norm[:6] != 0).sum() > 0
    assert not torch.allclose(by_norm, dictionary.b_enc.grad)


def test_the_loss_asks_for_it_only_where_features_are_dead(dictionary: Dictionary, x: Tensor) -> None:
    alive = dictionary.loss(x, x, StepContext(0, dead(0)))
    some = dictionary.loss(x, x, StepContext(0, dead(5)))
    assert alive.parts["aux"] == 0
    assert some.parts["aux"] > 0
