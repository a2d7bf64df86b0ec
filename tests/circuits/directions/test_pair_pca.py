"""Uncentred, the principal direction of pairs' differences is the planted one; as published, centred, it is lost."""

import pytest
import torch
from circuits.directions.planted import planted, planted_direction
from oracles.published_pca import centred_pca_direction

from mechlab.circuits.directions.examples import in_pairs
from mechlab.circuits.directions.pair_pca import PairPCA
from mechlab.core.errors import UsageError


def cosine(one: torch.Tensor, other: torch.Tensor) -> float:
    return float(torch.nn.functional.cosine_similarity(one.double(), other.double(), dim=0))


@pytest.mark.parametrize("seed", range(4))
def test_centring_deletes_the_direction_and_ours_keeps_it(seed):
    examples, along = planted(200, 6.0, seed, d=256), planted_direction(256)
    published = centred_pca_direction(examples.vectors[examples.positive], examples.vectors[~examples.positive])
    assert abs(cosine(published, along)) < 0.15
    assert cosine(PairPCA().fit(examples).vector, along) > 0.9


def test_it_is_the_eigenvector_of_the_mean_outer_product():
    differences = planted(30).differences.double()
    leading = torch.linalg.eigh(differences.T @ differences).eigenvectors[:, -1]
    found = PairPCA().fit(planted(30)).vector
    assert abs(cosine(found, leading)) == pytest.approx(1, abs=1e-9) and found.norm() == pytest.approx(1)


def test_it_points_to_the_positive_side_whichever_that_is():
    examples = planted(30)
    turned = in_pairs("s", "m", examples.vectors[~examples.positive], examples.vectors[examples.positive])
    torch.testing.assert_close(PairPCA().fit(turned).vector, -PairPCA().fit(examples).vector)
    assert cosine(PairPCA().fit(examples).vector, planted_direction()) > 0


def test_products_with_the_differences_sum_to_a_positive_number_also_where_there_is_nothing_to_find():
    for seed in range(30):
        examples = planted(6, shift=0.0, seed=seed)
        assert (examples.differences.double() @ PairPCA().fit(examples).vector).sum() > 0


@pytest.mark.parametrize("order", [[0, 1, 2, 3], [3, 2, 1, 0], [1, 0, 2, 3], [2, 3, 0, 1]])
@pytest.mark.parametrize("turn", [1.0, -1.0])
def test_where_products_sum_to_zero_the_greater_number_of_pairs_tells(order, turn):
    differences = turn * torch.tensor([[3.0, 0.0], [-1.0, 0.0], [-1.0, 0.0], [-1.0, 0.0]])[order]
    assert PairPCA().fit(in_pairs("s", "m", differences, torch.zeros(4, 2))).vector[0] == -turn


def test_without_pairs_it_is_refused():
    with pytest.raises(UsageError, match="not in pairs"):
        PairPCA().fit(planted(paired=False))
