"""A neuron at a recall is what scikit-learn counts."""

import pytest
import torch
from sklearn.metrics import precision_recall_curve

from mechlab.core.errors import UsageError
from mechlab.metrics import neuron_search
from mechlab.metrics.neuron_search import neuron_at_recall


@pytest.mark.parametrize("negative", [False, True])
@pytest.mark.parametrize("decimals", [1, 6])
@pytest.mark.parametrize("recall", [0.013, 0.5, 2 / 3, 0.9, 1.0])
def test_a_neuron_at_a_recall_is_that_of_the_precision_recall_curve(recall, decimals, negative, monkeypatch):
    monkeypatch.setattr(neuron_search, "NEURONS_AT_ONCE", 4)
    draw = torch.Generator().manual_seed(0)
    mask = torch.rand(400, generator=draw) < 0.15
    activations = torch.randn(400, 11, generator=draw).round(decimals=decimals)
    activations[mask, 6] -= 1
    activations[mask, 9] += 0.7
    best = {}
    for sign in (1, -1) if negative else (1,):
        for neuron in range(11):
            scores = sign * activations[:, neuron].numpy()
            precision, reached, thresholds = precision_recall_curve(mask.numpy(), scores)
            last = (reached[:-1] >= recall - 1e-9).nonzero()[0][-1]
            best[neuron, sign] = (precision[last], reached[last], thresholds[last])
    found = neuron_at_recall(mask, activations, recall, negative=negative)
    assert found.precision == pytest.approx(max(values[0] for values in best.values()))
    values = best[found.neuron, found.sign]
    assert (found.precision, found.recall, found.threshold) == pytest.approx(values)
    said = found.sign * activations[:, found.neuron] >= found.threshold
    assert (found.n_active, found.n_hits, found.n_cause) == (said.sum(), (said & mask).sum(), mask.sum())


@pytest.mark.parametrize("recall", [0.0, -0.1, 1.01])
def test_a_recall_out_of_range_is_refused(recall):
    with pytest.raises(UsageError, match="recall is out of range"):
        neuron_at_recall(torch.tensor([True, False]), torch.zeros(2, 3), recall)


def test_the_recall_of_a_code_takes_exactly_as_many_tokens():
    """A share such as 7/25 must not ask for an eighth token because of how it is rounded."""
    for n_cause in range(1, 60):
        for n_hits in range(1, n_cause + 1):
            mask, activations = torch.ones(n_cause, dtype=torch.bool), torch.arange(float(n_cause))[:, None]
            assert neuron_at_recall(mask, activations, n_hits / n_cause).n_hits == n_hits
