"""Every metric keeps the laws it states: what predictors must score whose quality is known beforehand."""

import pytest
from oracles.null_predictors import null_predictors
from oracles.toy_model import SITE, ToyModel, toy_rows

from mechlab.interventions.ablate import mean_activation
from mechlab.metrics import METRICS
from mechlab.metrics.evaluate import Evaluation, evaluate
from mechlab.metrics.metric import PREDICTORS
from mechlab.metrics.passes import reference_of
from mechlab.metrics.reference import reconstructed


@pytest.fixture(scope="module")
def evaluations() -> dict[str, Evaluation]:
    model = ToyModel()
    rows = toy_rows(model)
    predictors = null_predictors(mean_activation(model, rows, SITE).float())
    return {name: evaluate(model, predictor, rows, SITE) for name, predictor in predictors.items()}


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("predictor", PREDICTORS)
def test_a_null_predictor_scores_what_the_metric_says_it_must(name, predictor, evaluations):
    laws = METRICS[name].laws[predictor]
    assert laws, "a metric says something about every null predictor"
    estimates = evaluations[predictor].estimates
    for number, (low, high) in laws.items():
        value = estimates[number].value
        tolerance = 2e-6 * max(1, abs(value))
        assert low - tolerance <= value <= high + tolerance, f"{number} = {value}"


@pytest.mark.parametrize("name", METRICS)
def test_every_number_a_metric_reports_is_under_a_law(name, evaluations):
    model = ToyModel()
    metric = METRICS[name]()
    governed = {number for laws in metric.laws.values() for number in laws}
    assert set(metric.laws) == set(PREDICTORS)
    assert governed <= set(evaluations["identity"].estimates)
    mine = set(metric_numbers(metric, model))
    assert mine == governed


def metric_numbers(metric, model):
    rows = toy_rows(model, n_rows=2, pos=5)
    reference = reference_of(model, rows, SITE, model.embedding[0])
    metric.update(reconstructed(reference, null_predictors(model.embedding[0])["identity"]))
    return metric.estimates(0)


def test_every_estimate_has_a_count_and_an_interval_around_it(evaluations):
    for evaluation in evaluations.values():
        for name, one in evaluation.estimates.items():
            assert one is not None, name
            assert one.n == evaluation.n_rows
            assert one.low <= one.value <= one.high, name
