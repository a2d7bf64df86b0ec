"""Against random heads z-scores have mean 0 and deviation 1 and nothing is discovered; a planted channel is."""

import pytest
import torch
from circuits.channels.random_heads import of_weights, random_heads, with_channel

from mechlab.circuits.channels.nulls import LAWS, surprises
from mechlab.circuits.channels.scores import channel_scores
from mechlab.models.sites import MODES


def all_modes(circuits):
    return [channel_scores(circuits, mode) for mode in MODES]


@pytest.mark.parametrize("null", LAWS)
def test_random_heads_are_as_surprising_as_chance(null):
    circuits, _ = random_heads(n_layers=6, n_heads=6, d_model=192, d_head=16)
    for found in surprises(circuits, all_modes(circuits), null):
        z, p = (part[~part.isnan()] for part in (found.z, found.p))
        assert abs(z.mean()) < 0.05 and abs(z.std() - 1) < 0.05
        for level in (0.1, 0.01):
            assert abs((p < level).double().mean() / level - 1) < 0.2


@pytest.mark.parametrize("null", LAWS)
def test_nineteen_of_twenty_random_models_have_no_discovery_at_all(null):
    n_models, n_found = 60, 0
    for seed in range(n_models):
        circuits, _ = random_heads(n_layers=4, n_heads=4, d_model=96, d_head=8, seed=seed)
        n_found += any(bool((one.q < 0.05).any()) for one in surprises(circuits, all_modes(circuits), null))
    assert n_found <= 7  # more than 7 of 60 at a true 5 % has a chance of 1 %


@pytest.mark.parametrize("null", LAWS)
def test_a_planted_channel_is_a_discovery(null):
    planted = with_channel(random_heads(n_layers=6, n_heads=6, d_model=192, d_head=16)[0], (1, 2), (4, 3), 1.0)
    found = surprises(planted, [channel_scores(planted, "q")], null)[0]
    discovered = (found.q < 0.05).nonzero()
    assert len(discovered) >= 1 and (discovered[:, [0, 1, 3, 4]] == torch.tensor([1, 2, 4, 3])).all()


def test_only_the_covariance_null_forgives_writes_and_reads_that_all_crowd_one_plane():
    _, weights = random_heads(n_layers=6, n_heads=6, d_model=192, d_head=16)
    crowd = torch.ones(192)
    crowd[:20] = 4.0
    weights = {name: value * (crowd if name == "W_O" else crowd[:, None]) for name, value in weights.items()}
    circuits = of_weights(weights)
    scores = [channel_scores(circuits, "q")]
    medians = {null: float(surprises(circuits, scores, null)[0].z.nanmedian()) for null in LAWS}
    assert medians["sphere"] > 2 and abs(medians["covariance"]) < 0.5


def test_false_discoveries_are_counted_over_all_modes_together():
    planted = with_channel(random_heads(n_layers=6, n_heads=6, d_model=192, d_head=16)[0], (1, 2), (4, 3), 0.4)
    alone = surprises(planted, [channel_scores(planted, "q")])[0].q
    among = surprises(planted, all_modes(planted))[0].q
    assert among.nan_to_num(1).min() > alone.nan_to_num(1).min()
