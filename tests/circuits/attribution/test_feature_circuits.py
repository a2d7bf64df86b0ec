"""Circuits of features: none and the model are the ends, a known cause stands first, the seed decides what is drawn."""

from dataclasses import dataclass
from functools import cache

import pytest
import torch
from circuits.asked_pairs import random_pairs
from circuits.attribution.random_transcoders import random_set
from oracles.tiny_models import tiny

from mechlab.circuits.attribution.attribution_graph import attribution_graph
from mechlab.circuits.attribution.feature_circuits import (
    CircuitSettings,
    feature_circuits,
    features_by_influence,
    neuron_order,
)
from mechlab.circuits.attribution.frozen_pass import frozen_pass
from mechlab.circuits.attribution.seen_units import seen_neurons
from mechlab.circuits.attribution.targets import direction_targets
from mechlab.circuits.outcomes import LogitDifference
from mechlab.core.errors import UsageError
from mechlab.interventions.keep_units import keep_features
from mechlab.interventions.stand_in import stand_in
from mechlab.models.huggingface import HuggingFaceModel

MODEL = HuggingFaceModel(tiny("gpt2").double())
FOUND = random_set("relu", MODEL.spec)
CHOSEN_ON, TESTED_ON = random_pairs(2, 5), [random_pairs(3, 6, seed=1), random_pairs(2, 5, seed=2)]
SHARES = (0.0, 0.1, 0.3, 1.0)


@cache
def order() -> tuple[tuple[int, int], ...]:
    graphs = []
    for row in range(len(CHOSEN_ON)):
        frozen = frozen_pass(MODEL, FOUND, CHOSEN_ON.clean[row : row + 1])
        weights = torch.zeros(1, MODEL.spec.d_vocab, dtype=torch.float64)
        weights[0, CHOSEN_ON.candidates[row]] = torch.tensor([1.0, -1.0], dtype=torch.float64)
        graphs.append(attribution_graph(frozen, direction_targets(frozen, weights)))
    return tuple(features_by_influence(graphs))


def outcomes_of(opened) -> torch.Tensor:
    found = []
    for pairs in TESTED_ON:
        with opened(pairs):
            logits = MODEL.logits(pairs.clean)[:, -1]
        found.append(logits.gather(1, pairs.candidates) @ torch.tensor([1.0, -1.0], dtype=torch.float64))
    return torch.cat(found)


@pytest.fixture(scope="module")
def kept():
    return feature_circuits(
        MODEL, FOUND, TESTED_ON, order(), LogitDifference(), CircuitSettings(shares=SHARES, n_random=1)
    )


def test_the_ends_are_none_and_the_model_and_all_features_with_their_errors_are_the_model(kept):
    clean = outcomes_of(lambda pairs: torch.no_grad())
    for curve in (kept.features, kept.random_features, kept.neurons):
        assert torch.allclose(curve.outcomes[1], clean)
        assert torch.allclose(curve.outcomes[2], curve.outcomes[0])
    assert torch.allclose(kept.features.outcomes[-1], clean) and kept.features.faithfulness[-1] == pytest.approx(1)
    assert not torch.allclose(kept.features.outcomes[0], clean, atol=0.05)
    assert not torch.allclose(kept.features.outcomes[0], kept.neurons.outcomes[0], atol=0.05)


def test_a_circuit_is_the_foremost_features_and_nothing_else(kept):
    foremost, size = order(), kept.sizes[1]
    assert 0 < size < len(foremost)
    means = []
    for layer in range(3):
        reads = [MODEL.activations(pairs.clean, [f"ln2_normalized.{layer}"]) for pairs in TESTED_ON]
        means.append(torch.cat([FOUND.codes(layer, x[f"ln2_normalized.{layer}"]).flatten(0, 1) for x in reads]).mean(0))
    masks = [torch.zeros(24, dtype=torch.bool) for _ in range(3)]
    for layer, feature in foremost[:size]:
        masks[layer][feature] = True
    dropped = CircuitSettings(shares=(size / 72, 1.0), errors="dropped", n_random=1)
    every = [*foremost, *((layer, one) for layer in range(3) for one in range(24) if (layer, one) not in foremost)]
    seen = feature_circuits(MODEL, FOUND, TESTED_ON, every, LogitDifference(), dropped).features
    assert torch.allclose(seen.outcomes[2], outcomes_of(lambda pairs: keep_features(MODEL, FOUND, masks, means)))
    assert torch.allclose(seen.outcomes[-1], outcomes_of(lambda pairs: stand_in(MODEL, FOUND)))
    assert not torch.allclose(seen.outcomes[-1], kept.features.outcomes[-1], atol=0.05)


def test_features_outside_may_be_off():
    settings = CircuitSettings(shares=SHARES, others="zero", errors="dropped", n_random=1)
    seen = feature_circuits(MODEL, FOUND, TESTED_ON, order(), LogitDifference(), settings)
    nothing = outcomes_of(lambda pairs: stand_in(MODEL, FOUND, change=lambda layer, codes: torch.zeros_like(codes)))
    assert torch.allclose(seen.features.outcomes[0], nothing)


def test_the_foremost_tenth_of_features_leaves_more_of_the_outcome_than_random_tenths():
    settings = CircuitSettings(shares=(0.1,), n_random=6)
    seen = feature_circuits(MODEL, FOUND, [CHOSEN_ON], order(), LogitDifference(), settings)
    left, drawn = ((one.outcomes[2] - one.outcomes[1]).abs().mean() for one in (seen.features, seen.random_features))
    assert left < 0.8 * drawn


@dataclass(frozen=True)
class Neuron:
    """What two neurons are at the last token: an outcome whose causes are known."""

    name: str = "neuron"
    sites: tuple[str, ...] = ("mlp_post.2",)

    def of(self, logits, read, pairs):
        return 3 * read["mlp_post.2"][:, -1, 17] + 90 * read["mlp_post.2"][:, -1, 5]


def test_the_neuron_whose_replacement_changes_the_outcome_stands_first_however_steep_another_is():
    pairs = random_pairs(1, 5)
    others = list(seen_neurons(MODEL, [pairs]).values("zero"))
    others[2][5] = MODEL.activations(pairs.clean, ["mlp_post.2"])["mlp_post.2"][0, -1, 5]
    ranked = neuron_order(MODEL, [pairs], Neuron(), others)
    assert next(one for one in ranked if one[0] == 2) == (2, 17)
    assert len(set(ranked)) == len(ranked) == 3 * MODEL.spec.d_mlp


def test_the_seed_decides_what_is_drawn(kept):
    for seed, is_same in ((0, True), (5, False)):
        settings = CircuitSettings(shares=SHARES, seed=seed, n_random=1)
        seen = feature_circuits(MODEL, FOUND, TESTED_ON, order(), LogitDifference(), settings)
        drawn = seen.random_features.outcomes
        assert torch.equal(drawn, kept.random_features.outcomes) == is_same
        assert torch.equal(seen.neurons.outcomes, kept.neurons.outcomes)


@pytest.mark.parametrize(
    ("batches", "given", "said"),
    [
        ([], [], "no prompts to run circuits on"),
        (TESTED_ON, [(3, 0)], "no such feature: 'layer 3, feature 0'"),
        (TESTED_ON, [(0, 24)], "no such feature: 'layer 0, feature 24'"),
        (TESTED_ON, [(0, 1), (0, 1)], "a feature stands twice in the order: '1 times'"),
    ],
)
def test_what_does_not_fit_is_refused(batches, given, said):
    with pytest.raises(UsageError, match=said):
        feature_circuits(MODEL, FOUND, batches, given, LogitDifference())
