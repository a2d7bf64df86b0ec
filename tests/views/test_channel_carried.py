"""A cause is beyond its nulls only with its whole interval, on either side of 1/2; a channel says which are."""

import pytest
from views.sample_carried import sample_carried, sample_cause

from mechlab.core.estimate import Estimate
from mechlab.views.channel_carried import CarriedData


@pytest.mark.parametrize(
    ("changed", "is_beyond"),
    [
        ({}, True),
        ({"drawn": 0.82}, False),
        ({"shuffled": 0.81}, False),
        ({"auc": Estimate(value=0.2, low=0.15, high=0.25, n=9), "shuffled": 0.45, "drawn": 0.3}, True),
        ({"auc": Estimate(value=0.2, low=0.15, high=0.25, n=9), "shuffled": 0.45, "drawn": 0.22}, False),
        ({"auc": Estimate(value=0.6, low=0.45, high=0.7, n=9), "shuffled": 0.5, "drawn": 0.5}, False),
    ],
)
def test_a_cause_is_beyond_both_nulls_with_its_whole_interval(changed, is_beyond):
    assert sample_cause(**changed).is_beyond is is_beyond


def test_a_cause_says_whether_its_tokens_have_more_or_less():
    less = Estimate(value=0.2, low=0.15, high=0.25, n=9)
    assert sample_cause().said == "amount larger" and sample_cause(auc=less, reading="size").said == "size smaller"


def test_a_channel_s_sentence_names_the_causes_beyond():
    first, plain = sample_carried().channels
    assert first.verdict == "Told beyond both nulls: owner=third."
    only = first.model_copy(update={"causes": first.causes[1:]})
    assert only.verdict == "No known cause is told beyond both nulls."
    assert plain.verdict == "No known causes were looked for."


def test_it_comes_back_from_its_own_json():
    assert CarriedData.model_validate_json(sample_carried().model_dump_json()) == sample_carried()
