"""The mean difference is the difference of both means, finds a planted direction, and needs no pairs."""

import torch
from circuits.directions.planted import planted, planted_direction

from mechlab.circuits.directions.mean_difference import MeanDifference


def test_it_is_the_difference_of_means_which_of_pairs_is_the_mean_difference():
    apart = planted(9, paired=False).select(torch.arange(18) < 15)
    wanted = apart.vectors[:9].double().mean(0) - apart.vectors[9:].double().mean(0)
    torch.testing.assert_close(MeanDifference().fit(apart).vector, wanted)
    pairs = planted(9)
    torch.testing.assert_close(MeanDifference().fit(pairs).vector, pairs.differences.double().mean(0))


def test_it_finds_the_planted_direction():
    cosine = torch.nn.functional.cosine_similarity(MeanDifference().fit(planted()).vector, planted_direction(), dim=0)
    assert cosine > 0.95
