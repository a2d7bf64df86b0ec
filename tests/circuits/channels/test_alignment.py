"""Alignments are cosines, their chances those of draws and of a beta variable, and centred streams lose a dimension."""

import math

import pytest
import torch
from scipy import stats

from mechlab.circuits.channels.alignment import align
from mechlab.circuits.channels.drawn import drawn_like
from mechlab.core.randomness import torch_generator

D = 24


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def unit(vectors: torch.Tensor) -> torch.Tensor:
    return vectors / vectors.norm(dim=-1, keepdim=True)


def test_parts_z_and_tails_are_what_a_loop_and_scipy_s_beta_give():
    vectors, along = normal(50, D), unit(normal(D, seed=1))
    found = align(vectors, along, D)
    for place, vector in enumerate(vectors):
        part = sum(float(a) * float(b) for a, b in zip(vector, along, strict=True))
        size = math.sqrt(sum(float(a) ** 2 for a in vector))
        assert float(found.parts[place]) == pytest.approx(part)
        assert float(found.z[place]) == pytest.approx(part / size * math.sqrt(D))
        assert float(found.tails[place]) == pytest.approx(stats.beta(0.5, (D - 1) / 2).sf((part / size) ** 2))
    assert found.p_largest == pytest.approx(min(1, 50 * float(found.tails.min())))


def test_where_writes_are_centred_vectors_are_too_and_the_sphere_has_a_dimension_less():
    vectors, along = normal(30, D) + 5, normal(D, seed=1)
    along = unit(along - along.mean())
    found, plain = align(vectors, along, D - 1), align(vectors, along, D)
    own = vectors - vectors.mean(1, keepdim=True)
    cosines = own @ along / own.norm(dim=1)
    assert torch.allclose(found.z, cosines * math.sqrt(D - 1))
    exact = stats.beta(0.5, (D - 2) / 2).sf(cosines.square().numpy())
    assert torch.allclose(found.tails, torch.from_numpy(exact))
    assert torch.allclose(found.parts, plain.parts) and plain.z.abs().max() < found.z.abs().max()


def test_chance_exceeds_the_bound_for_the_largest_as_rarely_as_it_says():
    vectors = normal(40, D)
    p = torch.tensor([align(vectors, one, D).p_largest for one in unit(normal(2000, D, seed=2))])
    for rate in (0.02, 0.1):
        share = float((p <= rate).double().mean())
        assert 0.5 * rate < share < 1.3 * rate


def test_a_direction_among_the_vectors_is_found_at_once_and_chance_alone_is_at_its_rate():
    vectors, along = unit(normal(400, D)), unit(normal(D, seed=1))
    vectors[7], vectors[9] = 2 * along, -3 * along
    found = align(vectors, along, D)
    assert found.most(1)[0].number == 7 and found.least(1)[0].number == 9
    assert {one.number for one in found.largest(2)} == {7, 9} and found.p_largest < 1e-10
    assert found.most(1)[0].part == pytest.approx(2) and found.least(1)[0].z == pytest.approx(-math.sqrt(D))
    assert 0.05 < found.share_beyond(0.1) < 0.16 and found.share_beyond(1.0) == 1
    parts = [one.part for one in found.most(5)]
    assert parts == sorted(parts, reverse=True) and len(found.least(10_000)) == 400


def test_draws_with_the_same_covariance_make_common_directions_no_surprise():
    crowd = unit(normal(1, D, seed=4) + 0.1 * normal(201, D, seed=5))
    vectors, along = crowd[:100], crowd[200]
    drawn = drawn_like(crowd[100:200].T[None], 99, torch_generator(0, "test"))
    found = align(vectors, along, D, drawn)
    assert found.p_largest < 1e-6 and found.p_drawn is not None and found.p_drawn > 0.2
    sphere = align(vectors, along, D, unit(normal(99, D, seed=6)))
    assert sphere.p_drawn == 0.01 and align(vectors, along, D).p_drawn is None


def test_counts_of_drawn_directions_are_those_of_a_loop():
    vectors, along, drawn = normal(60, D), unit(normal(D, seed=1)), unit(normal(50, D, seed=2))
    largest = [float((vectors / vectors.norm(dim=1, keepdim=True) @ one).abs().max()) for one in (along, *drawn)]
    assert align(vectors, along, D, drawn).n_beyond == sum(one >= largest[0] for one in largest[1:])


def test_a_vector_of_length_zero_has_no_part():
    vectors = normal(5, D)
    vectors[2] = 0
    found = align(vectors, unit(normal(D, seed=1)), D)
    assert found.z[2] == 0 and found.tails[2] == 1
