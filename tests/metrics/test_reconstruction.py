"""Reconstruction scores equal scikit-learn's and SAELens's, and keep their digits where the mean is large."""

import numpy as np
import pytest
import torch
from sae_lens.evals import ExplainedVarianceCalculator
from sklearn.metrics import r2_score

from mechlab.metrics.metric import Batch
from mechlab.metrics.reconstruction import Reconstruction


def measured(inputs: torch.Tensor, outputs: torch.Tensor, scored: torch.Tensor | None = None, size: int = 3):
    scored = torch.ones(inputs.shape[:2], dtype=torch.bool) if scored is None else scored
    metric = Reconstruction()
    for at in range(0, len(inputs), size):
        part = slice(at, at + size)
        tokens = scored[part].int()
        given = (inputs[part], inputs[part], inputs[part], outputs[part])
        metric.update(Batch(tokens, scored[part], *given, pytest.fail, pytest.fail))
    return metric.estimates(seed=0)


def data(mean: float, std: float = 1.0, n_rows: int = 20) -> torch.Tensor:
    draw = torch.Generator().manual_seed(0)
    scales = torch.linspace(0.5, 2, 6)
    return mean + std * scales * torch.randn(n_rows, 7, 6, generator=draw)


def noisy(inputs: torch.Tensor) -> torch.Tensor:
    draw = torch.Generator().manual_seed(1)
    spread = inputs.std()
    return inputs + 0.5 * spread * torch.randn(inputs.shape, generator=draw) + 0.2 * spread


@pytest.mark.parametrize("mean", [0.0, 3.0, 1e4])
def test_explained_variance_is_the_r2_of_scikit_learn_on_the_tokens_that_count(mean):
    inputs = data(mean)
    outputs, scored = noisy(inputs), torch.rand(20, 7, generator=torch.Generator().manual_seed(2)) < 0.7
    # Variance-weighted R^2 pools squared errors and squares over coordinates, as explained variance does.
    expected = r2_score(inputs[scored].double(), outputs[scored].double(), multioutput="variance_weighted")
    assert measured(inputs, outputs, scored)["explained_variance"].value == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("mean", [0.0, 30.0])
def test_explained_variance_equals_saelens_where_saelens_keeps_its_digits(mean):
    inputs = data(mean)
    outputs, oracle = noisy(inputs), ExplainedVarianceCalculator()
    oracle.add_batch(outputs.flatten(0, 1), inputs.flatten(0, 1))
    assert measured(inputs, outputs)["explained_variance"].value == pytest.approx(oracle.compute(), abs=1e-4)


@pytest.mark.parametrize("mean", [0.0, 3.0, 30.0, 1e4])
def test_a_mean_predictor_scores_zero_and_the_identity_one(mean):
    inputs = data(mean)
    average = inputs.double().mean((0, 1)).expand_as(inputs)
    assert measured(inputs, average)["explained_variance"].value == pytest.approx(0, abs=1e-9)
    assert measured(inputs, inputs)["explained_variance"].value == 1


def test_a_large_mean_with_little_variance_loses_no_digits():
    inputs = data(1e4, std=0.1)
    average = inputs.double().mean((0, 1)).expand_as(inputs)
    assert measured(inputs, average)["explained_variance"].value == pytest.approx(0, abs=1e-7)


def test_a_constant_offset_is_an_error():
    inputs = data(0.0)
    score = measured(inputs, inputs + inputs.std())["explained_variance"].value
    assert score < 0.6


def test_batches_of_unequal_size_score_as_one():
    inputs = data(5.0)
    outputs = noisy(inputs)
    one, many = measured(inputs, outputs, size=20), measured(inputs, outputs, size=3)
    for name in one:
        assert one[name].value == pytest.approx(many[name].value, rel=1e-12)
        assert one[name].low == pytest.approx(many[name].low, rel=1e-9)


def test_data_that_do_not_vary_have_no_explained_variance():
    inputs = torch.full((4, 3, 2), 7.3)
    assert measured(inputs, torch.zeros_like(inputs))["explained_variance"] is None


def test_mse_cosine_and_norm_ratio_are_averages_over_tokens():
    inputs = data(1.0)
    outputs, scored = noisy(inputs), torch.rand(20, 7, generator=torch.Generator().manual_seed(3)) < 0.5
    x, y = inputs[scored].double().numpy(), outputs[scored].double().numpy()
    estimates = measured(inputs, outputs, scored)
    lengths = np.linalg.norm(x, axis=1), np.linalg.norm(y, axis=1)
    assert estimates["mse"].value == pytest.approx(((x - y) ** 2).sum(1).mean())
    assert estimates["cosine"].value == pytest.approx(((x * y).sum(1) / lengths[0] / lengths[1]).mean())
    assert estimates["norm_ratio"].value == pytest.approx((lengths[1] / lengths[0]).mean())


def test_the_interval_holds_the_score_of_much_more_data():
    small, large = data(2.0, n_rows=60), data(2.0, n_rows=3000)
    one = measured(small, noisy(small))["explained_variance"]
    truth = measured(large, noisy(large), size=500)["explained_variance"].value
    assert one.low < truth < one.high
    assert one.high - one.low < 0.1
