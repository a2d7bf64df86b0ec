"""Examples know their classes and pairs, are shuffled without leaving their pairs, and refuse what cannot be fitted."""

import pytest
import torch
from circuits.directions.planted import planted

from mechlab.circuits.directions.examples import Examples, in_pairs, separate
from mechlab.core.errors import UsageError

ONES, ZEROS = torch.ones(3, 5), torch.zeros(3, 5)


def test_differences_are_taken_pair_by_pair_whatever_the_order():
    one, other = torch.randn(6, 4, generator=torch.Generator().manual_seed(0)).split(3)
    examples = in_pairs("resid_post.0", "m", one, other)
    torch.testing.assert_close(examples.differences, one - other)
    order = torch.tensor([5, 0, 3, 2, 1, 4])
    mixed = Examples(
        "s", "m", examples.vectors[order], examples.positive[order], examples.groups[order] * 7, paired=True
    )
    torch.testing.assert_close(mixed.differences, one - other)


def test_shuffled_pairs_stay_pairs_and_other_labels_stay_as_many():
    pairs = planted(50)
    turned = pairs.shuffled(0)
    assert turned.paired and torch.equal(turned.vectors, pairs.vectors) and torch.equal(turned.groups, pairs.groups)
    same = (turned.positive == pairs.positive)[:50]
    assert 10 < int(same.sum()) < 40
    assert torch.equal(pairs.shuffled(0).positive, turned.positive)
    assert not torch.equal(pairs.shuffled(1).positive, turned.positive)
    free = planted(50, paired=False).shuffled(0)
    assert free.n_positive == 50 and 10 < int(free.positive[:50].sum()) < 40


def test_examples_without_pairs_have_no_differences():
    with pytest.raises(UsageError, match="not in pairs: 6"):
        _ = separate("s", "m", ONES, ZEROS).differences


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: separate("s", "m", ONES, ZEROS[:1]), "too few negative examples: 1"),
        (lambda: separate("s", "m", ONES[:0], ZEROS), r"too few positive examples: 0\. Give at least 2 of each class"),
        (lambda: in_pairs("s", "m", ONES[:1], ZEROS[:1]), "too few positive examples: 1"),
        (lambda: in_pairs("s", "m", ONES, ZEROS[:2]), "pairs need as many on either side: '3 and 2'"),
        (lambda: separate("s", "m", ONES, torch.zeros(3, 4)), "differ in width: '5 and 4'"),
        (lambda: separate("s", "m", ONES * torch.nan, ZEROS), "examples are not finite: 's'"),
        (
            lambda: Examples("s", "m", torch.zeros(4, 2), torch.arange(4) < 2, torch.tensor([0, 0, 1, 1]), True),
            "examples are not in pairs: 4",
        ),
    ],
)
def test_what_cannot_be_fitted_is_refused_in_one_line(make, message):
    with pytest.raises(UsageError, match=message) as caught:
        make()
    assert "\n" not in str(caught.value)
