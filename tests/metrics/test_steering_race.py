"""Ways race: strengths are chosen on one set of texts and told on another, with the model as it is beside them."""

from dataclasses import replace

import pytest
import torch
from metrics.towards_may import WORDS, WRITING, towards_may, way
from oracles.tiny_models import D_MODEL, tiny
from oracles.word_tokenizer import word_tokenizer

from mechlab.corpora.rows import TokenRows
from mechlab.metrics.dose_response import Way, dose_response
from mechlab.metrics.side_effects import side_effects
from mechlab.metrics.steering_race import JUDGING, Terms, race
from mechlab.models.loaders import load


@pytest.fixture(scope="module")
def model():
    loaded = load(tiny("gpt2"), device="cpu")
    loaded.tokenizer = word_tokenizer(" ".join(WORDS))
    return loaded


@pytest.fixture(scope="module")
def neutral():
    tokens = torch.randint(3, 60, (6, 8), generator=torch.Generator().manual_seed(0))
    return TokenRows(tokens=tokens.int(), special=tokens == 0, labels={}, fingerprint="x")


def drawn(model):
    noise = torch.randn(D_MODEL, generator=torch.Generator().manual_seed(1))
    return Way("drawn", {0.5: lambda: model.edit({"resid_post.2": lambda x: x + 0.5 * noise / noise.norm()})})


def test_a_way_is_told_on_fresh_texts_at_the_strength_that_others_chose(model, neutral):
    terms = Terms(wanted=0.6, most_increase=9.0, neutral=neutral)
    ours, control = race(model, [way(model, 1.0, 6.0, 20.0), drawn(model)], r"\bmay\b", WRITING, terms)
    assert ours.tried == dose_response(model, way(model, 1.0, 6.0, 20.0), r"\bmay\b", WRITING)
    enough = [one for one in ours.tried if one.text.concept.value >= 0.6]
    assert ours.taken == min(enough, key=lambda one: one.nll_increase.value).strength
    fresh = replace(WRITING, seed=WRITING.seed + JUDGING)
    assert (ours.own, ours.fresh) == dose_response(model, way(model, ours.taken), r"\bmay\b", fresh)
    assert ours.costs == side_effects(model, neutral, towards_may(model, ours.taken))
    assert control.own == ours.own and control.fresh.text.concept.value < ours.fresh.text.concept.value


def test_a_way_that_only_costs_is_not_taken(model, neutral):
    terms = Terms(wanted=0.6, most_increase=0.0, neutral=neutral)
    (found,) = race(model, [way(model, 50.0)], r"\bmay\b", WRITING, terms)
    assert (found.taken, found.costs) == (0, None) and found.fresh == found.own and len(found.tried) == 2
