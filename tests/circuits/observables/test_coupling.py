"""The coupling theorem holds to rounding: its mean over mirrored vectors, its extremes at constructed ones."""

import math

import pytest
import torch

from mechlab.circuits.observables.coupling import coupling, coupling_bounds, couplings
from mechlab.core.errors import UsageError

WIDTHS = [64, 512, 768, 2048]


def drawn(d, seed):
    generator = torch.Generator().manual_seed(seed)
    first, second = torch.randn(2, d, generator=generator, dtype=torch.float64)
    return first, second + 0.4 * first, generator


def on_the_circle(first, along, length, aside):
    """Return vectors of a length that go so far along a direction, turned otherwise towards others."""
    aside = aside - (aside @ first)[..., None] * first / first.square().sum()
    rest = math.sqrt(length**2 - along**2 / float(first.square().sum()))
    return along * first / first.square().sum() + rest * aside / aside.norm(dim=-1, keepdim=True)


@pytest.mark.parametrize("d", WIDTHS)
def test_the_mean_over_mirrored_vectors_is_the_coupling_times_how_far_they_go(d):
    first, second, generator = drawn(d, 0)
    length, along = 7.0, 0.6 * float(first.norm())
    aside = torch.randn(200, d, generator=generator, dtype=torch.float64)
    mirrored = torch.cat([on_the_circle(first, along, length, turn) for turn in (aside, -aside)])
    assert torch.allclose(mirrored @ first, torch.tensor(along, dtype=torch.float64)) and torch.allclose(
        mirrored.norm(dim=1), torch.tensor(length, dtype=torch.float64)
    )
    bounds = coupling_bounds(first, second, along, length)
    assert float((mirrored @ second).mean()) == pytest.approx(bounds.mean, abs=1e-10)
    assert bounds.mean == pytest.approx(along * coupling(first, second), abs=1e-12)
    assert float(first @ second / (first @ first)) == pytest.approx(coupling(first, second), abs=1e-14)


@pytest.mark.parametrize("d", WIDTHS)
def test_the_extremes_are_reached_by_vectors_constructed_exactly_and_by_none_is_more(d):
    first, second, generator = drawn(d, 1)
    length = 11.0
    for share in (-0.9, 0.0, 0.5):
        along = share * length * float(first.norm())
        bounds = coupling_bounds(first, second, along, length)
        cosine = float(first @ second / first.norm() / second.norm())
        sine = math.sqrt(1 - cosine**2)
        reach = sine * math.sqrt(max(length**2 * float(first.norm()) ** 2 - along**2, 0))
        for found, sign in ((bounds.most, 1), (bounds.least, -1)):
            theirs = float(second.norm() / first.norm()) * (along * cosine + sign * reach)
            assert found == pytest.approx(theirs, rel=1e-10, abs=1e-10)
        most, least = (on_the_circle(first, along, length, turn * second) for turn in (1, -1))
        assert float(most @ second) == pytest.approx(bounds.most, rel=1e-12, abs=1e-10)
        assert float(least @ second) == pytest.approx(bounds.least, rel=1e-12, abs=1e-10)
        others = on_the_circle(first, along, length, torch.randn(500, d, generator=generator, dtype=torch.float64))
        assert bounds.least <= float((others @ second).min()) <= float((others @ second).max()) <= bounds.most
    alone = coupling_bounds(first, second, length * float(first.norm()), length)
    assert alone.most - alone.least < 1e-5 < bounds.most - bounds.least  # all the length is used up


def test_the_table_has_every_pair():
    first, second, _ = drawn(64, 2)
    found = couplings({"one": first.float(), "other": second.float(), "double": 2 * first.float()})
    assert found.names == ("one", "other", "double")
    rows = [first.float(), second.float(), 2 * first.float()]
    for i, one in enumerate(rows):
        for j, other in enumerate(rows):
            assert float(found.couplings[i, j]) == pytest.approx(coupling(one, other), rel=1e-12)
            cosine = torch.nn.functional.cosine_similarity(one, other, dim=0)
            assert float(found.cosines[i, j]) == pytest.approx(float(cosine), abs=1e-6)
    assert float(found.couplings[0, 2]) == pytest.approx(2) and float(found.couplings[2, 0]) == pytest.approx(0.5)


def test_what_has_no_coupling_is_refused():
    one, zero = torch.ones(4), torch.zeros(4)
    for ask in (lambda: coupling(zero, one), lambda: couplings({"one": one, "nothing": zero})):
        with pytest.raises(UsageError, match=r"direction is zero: '(the first|nothing)'"):
            ask()
    for ask in (lambda: coupling(one, torch.ones(5)), lambda: couplings({"a": one, "b": torch.ones(5)})):
        with pytest.raises(UsageError, match="differ in width"):
            ask()
    with pytest.raises(UsageError, match=r"no vector goes so far along the direction: 5\. Vectors of length 2 go 4"):
        coupling_bounds(one, one, 5, 2)
    assert coupling(one, zero) == 0
