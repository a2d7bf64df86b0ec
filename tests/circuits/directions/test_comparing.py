"""Cosines of directions, and what chance gives: against draws from the sphere."""

import pytest
import torch
from oracles.tiny_models import D_MODEL

from mechlab.circuits.directions.comparing import compare_directions, expected_cosine
from mechlab.circuits.directions.direction import Direction, Facts
from mechlab.core.errors import UsageError


def direction(vector: torch.Tensor, name: str = "one", model: str = "m") -> Direction:
    return Direction("resid_post.0", (vector / vector.norm()).float(), 1.0, "some", name, Facts(model=model))


def drawn(n: int, d: int = D_MODEL, seed: int = 0) -> list[Direction]:
    rows = torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return [direction(row, str(place)) for place, row in enumerate(rows)]


def test_cosines_are_those_of_the_vectors_and_their_signs_are_kept():
    one, other = torch.tensor([3.0, 4.0, 0.0]), torch.tensor([-3.0, 0.0, 4.0])
    table = compare_directions([direction(one, "a"), direction(other, "b")])
    assert table.names == ("a", "b")
    torch.testing.assert_close(table.cosines, torch.tensor([[1, -9 / 25], [-9 / 25, 1]]).double(), atol=1e-6, rtol=0)
    assert (table.p.diagonal() == 0).all() and table.d == 3


@pytest.mark.parametrize("d", [2, 3, 32, 500])
def test_the_expected_size_and_deviation_are_those_of_draws(d):
    vectors = torch.stack([one.vector.double() for one in drawn(600, d)])
    cosines = (vectors @ vectors.T)[torch.triu_indices(600, 600, 1).unbind()]
    assert expected_cosine(d) == pytest.approx(float(cosines.abs().mean()), rel=0.03)
    assert compare_directions(drawn(2, d)).deviation == pytest.approx(float(cosines.std()), rel=0.03)


def test_p_is_even_where_there_is_only_chance_and_tiny_where_there_is_more():
    table = compare_directions(drawn(120))
    p = table.p[torch.triu_indices(120, 120, 1).unbind()]
    assert p.mean() == pytest.approx(0.5, abs=0.03)
    assert (p < 0.05).double().mean() == pytest.approx(0.05, abs=0.01)
    assert table.q.max() == 1 and torch.equal(table.q, (7140 * table.p).clamp(max=1))
    first, second = drawn(2)
    alike = compare_directions([first, direction(first.vector + 0.3 * second.vector)])
    assert alike.q[0, 1] < 1e-8 and alike.cosines[0, 1] > 0.9
    assert alike.p[0, 1] == compare_directions([first, direction(-first.vector - 0.3 * second.vector)]).p[0, 1]


def test_fewer_dimensions_make_a_cosine_less_surprising():
    whole, centred = compare_directions(drawn(2)), compare_directions(drawn(2), D_MODEL - 1)
    assert centred.d == D_MODEL - 1 and centred.p[0, 1] > whole.p[0, 1] and centred.deviation > whole.deviation


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(UsageError, match="nothing to compare: 1"):
        compare_directions(drawn(1))
    with pytest.raises(UsageError, match=r"differ in width: \[8, 32\]"):
        compare_directions([*drawn(1), *drawn(1, 8)])
    with pytest.raises(UsageError, match="of different models: 'one'"):
        compare_directions([direction(torch.ones(4)), direction(torch.ones(4), model="n")])
    compare_directions([direction(torch.ones(4)), direction(torch.ones(4), model="")])
    for d in (1, D_MODEL + 1):
        with pytest.raises(UsageError, match=f"no such dimensions: {d}"):
            compare_directions(drawn(2), d)
