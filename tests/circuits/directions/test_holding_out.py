"""Groups are held out whole, with the same share of every kind, and never so that a class is missing."""

import pytest
import torch
from circuits.directions.planted import planted

from mechlab.circuits.directions.examples import Examples
from mechlab.circuits.directions.holding_out import held_out, strata
from mechlab.core.errors import UsageError


def grouped() -> Examples:
    """Return 60 vectors in 20 groups: 10 have both classes, 5 positives alone, 5 negatives alone."""
    groups = torch.arange(20).repeat_interleave(3)
    positive = torch.arange(60) % 2 == 0
    positive[groups >= 10] = groups[groups >= 10] < 15
    return Examples("s", "m", torch.randn(60, 4), positive, groups)


def test_no_group_is_on_both_sides_and_every_kind_has_its_share():
    examples = grouped()
    assert [own.tolist() for own in strata(examples)] == [[*range(10)], [*range(10, 15)], [*range(15, 20)]]
    fitted, scored = held_out(examples, 0.4, seed=0)
    assert not set(fitted.groups.tolist()) & set(scored.groups.tolist())
    assert len(fitted) + len(scored) == 60
    assert [len(own) for own in strata(scored)] == [4, 2, 2]
    again = held_out(examples, 0.4, seed=0)[1]
    assert torch.equal(again.groups, scored.groups)
    assert not torch.equal(held_out(examples, 0.4, seed=1)[1].groups, scored.groups)


def test_pairs_stay_together():
    fitted, scored = held_out(planted(10), 0.3, seed=0)
    assert fitted.paired and scored.paired and (len(fitted), len(scored)) == (14, 6)


@pytest.mark.parametrize("share", [0.01, 0.99])
def test_a_share_that_leaves_too_few_on_a_side_is_refused(share):
    with pytest.raises(UsageError, match=r"too few independent examples to hold some out: '5 and 5 in 5 groups'"):
        held_out(planted(5), share, seed=0)
