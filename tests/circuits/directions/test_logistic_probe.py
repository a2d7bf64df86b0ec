"""The probe is scikit-learn's fit, its gradient is zero, and it finds a planted direction under loud noise."""

import pytest
import torch
from circuits.directions.planted import planted, planted_direction
from sklearn.linear_model import LogisticRegression

from mechlab.circuits.directions.examples import separate
from mechlab.circuits.directions.logistic_probe import LogisticProbe, logistic
from mechlab.core.errors import UsageError


def problem(n: int, d: int, shift: float = 1.0, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    vectors = torch.randn(n, d, generator=generator, dtype=torch.float64)
    positive = torch.arange(n) % 3 == 0
    vectors[positive, 0] += shift
    return vectors, positive


@pytest.mark.parametrize(("n", "d"), [(60, 5), (20, 40), (7, 3)])
@pytest.mark.parametrize("l2", [0.01, 1.0, 50.0])
def test_weights_and_bias_are_scikit_learn_s(n, d, l2):
    vectors, positive = problem(n, d)
    wanted = LogisticRegression(C=1 / l2, tol=1e-12, max_iter=10_000, solver="newton-cholesky")
    wanted.fit(vectors.numpy(), positive.numpy())
    found = logistic(vectors, positive, l2)
    torch.testing.assert_close(found.weights, torch.tensor(wanted.coef_[0]), atol=1e-6, rtol=1e-6)
    assert found.bias == pytest.approx(wanted.intercept_[0], abs=1e-6)


@pytest.mark.parametrize("l2", [1e-6, 0.1])
def test_the_gradient_is_zero_also_where_the_classes_are_far_apart(l2):
    vectors, positive = problem(30, 50, shift=100.0)
    found = logistic(vectors, positive, l2)
    weights, bias = found.weights.clone().requires_grad_(), torch.tensor(found.bias, requires_grad=True).double()
    bias.retain_grad()
    logits = vectors @ weights + bias
    loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, positive.double(), reduction="sum")
    (loss + l2 / 2 * weights.square().sum()).backward()
    assert weights.grad.abs().max() < 1e-6 and abs(bias.grad) < 1e-6


def test_it_finds_the_planted_direction_and_its_threshold_is_where_the_odds_are_even():
    examples = planted(200, shift=2.0, paired=False)
    found = LogisticProbe(l2=1.0).fit(examples)
    unit = found.vector / found.vector.norm()
    assert unit @ planted_direction().double() > 0.9
    vectors, scale = examples.vectors.double(), (examples.vectors.double() - examples.vectors.double().mean(0)).std()
    oracle = LogisticRegression(C=1.0, tol=1e-12, max_iter=10_000, solver="newton-cholesky")
    oracle.fit(((vectors - vectors.mean(0)) / scale).numpy(), examples.positive.numpy())
    called = oracle.predict(((vectors - vectors.mean(0)) / scale).numpy())
    assert ((vectors @ unit > found.threshold).numpy() == called).all()


def test_the_penalty_means_the_same_at_every_scale():
    examples = planted(20)
    larger = separate("s", "m", *(1000 * examples.vectors[own] for own in (examples.positive, ~examples.positive)))
    one, other = LogisticProbe().fit(examples), LogisticProbe().fit(larger)
    torch.testing.assert_close(one.vector, other.vector, atol=1e-6, rtol=1e-5)
    assert other.threshold == pytest.approx(1000 * one.threshold, rel=1e-5)


def test_examples_that_are_all_the_same_are_refused():
    with pytest.raises(UsageError, match="point nowhere"):
        LogisticProbe().fit(separate("s", "m", torch.ones(3, 4), torch.ones(3, 4)))
