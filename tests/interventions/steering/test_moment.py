"""Where a span meets a pass: told from where the pass begins and from how long the prompt is."""

import pytest
import torch
from oracles.tiny_models import tiny

from mechlab.core.errors import UsageError
from mechlab.interventions.steering.moment import Moment
from mechlab.interventions.steering.span import TokenSpan
from mechlab.models.loaders import load


@pytest.fixture
def model():
    return load(tiny("gpt2"), device="cpu")


def met(moment: Moment, span: TokenSpan, n_pos: int) -> list[int]:
    return list(range(n_pos))[moment.places(span, n_pos)]


def test_outside_of_generation_all_is_prompt_unless_it_is_said_how_long_it_is(model):
    assert met(Moment(model), TokenSpan(within="prompt"), 4) == [0, 1, 2, 3]
    assert met(Moment(model), TokenSpan(within="decoded"), 4) == []
    assert met(Moment(model), TokenSpan(within="last_prompt"), 4) == [3]
    assert met(Moment(model, n_prompt=3), TokenSpan(within="decoded"), 4) == [3]


def test_in_generation_the_model_knows_both_and_what_is_said_counts_more(model):
    model.first_position, model.n_prompt = 6, 5
    assert met(Moment(model), TokenSpan(within="decoded", start=1), 1) == [0]
    assert met(Moment(model), TokenSpan(within="decoded", start=2), 1) == []
    assert met(Moment(model), TokenSpan(within="prompt"), 1) == []
    assert met(Moment(model), TokenSpan(start=6, stop=7), 1) == [0]
    assert met(Moment(model, n_prompt=7), TokenSpan(within="last_prompt"), 1) == [0]


def test_another_batch_is_refused(model):
    Moment(model).refuse_other_batch(torch.zeros(5, 1))
    Moment(model, n_rows=5).refuse_other_batch(torch.zeros(5, 1))
    with pytest.raises(UsageError, match="specs do not fit the batch: '4 for 5 rows'"):
        Moment(model, n_rows=4).refuse_other_batch(torch.zeros(5, 1))
