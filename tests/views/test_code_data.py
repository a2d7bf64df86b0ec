"""What was measured of codes reaches the page as it is."""

import pytest
from metrics.test_code_portraits import KNOWN, planted_index
from oracles.planted_model import labelled_rows
from oracles.toy_model import ToyModel
from pydantic import ValidationError
from views.sample_code_page import sample_code_page

from mechlab.metrics.code_portraits import CodePortraitConfig, code_portraits
from mechlab.metrics.code_use import code_use
from mechlab.views.code_data import CodeCard, CodePageData, code_cards, use_rows


@pytest.fixture(scope="module")
def index():
    return planted_index(labelled_rows())


def test_a_page_survives_json():
    data = sample_code_page()
    assert CodePageData.model_validate_json(data.model_dump_json()) == data


def test_a_card_holds_what_the_portrait_does(index):
    config = CodePortraitConfig(codes=((KNOWN, 3), (KNOWN, 0)))
    portraits = code_portraits(ToyModel(), index, labelled_rows(), config)
    card, silent = code_cards(portraits)
    assert (card.site, card.group, card.code) == (KNOWN, 0, 3)
    assert (card.n_uses, card.share) == (portraits[0].n_uses, portraits[0].n_uses / len(index))
    assert (card.match.cause, card.match.f1.value, card.match.by_chance) == (
        "colour=blue",
        1,
        portraits[0].fit.by_chance,
    )
    assert card.match.recall.interval == portraits[0].fit.match.intervals.recall
    assert card.tokens == (("3", card.n_uses),)
    assert [one.tokens for one in card.contexts] == [one.tokens for one in portraits[0].contexts]
    assert all(one.activations[one.focus] == 1 for one in card.contexts)
    assert silent == CodeCard(site=KNOWN, group=0, code=0, n_uses=0, share=0)


def test_a_match_without_an_interval_still_has_its_value(index):
    (portrait,) = code_portraits(ToyModel(), index, labelled_rows(), CodePortraitConfig(codes=((KNOWN, 3),)))
    bare = portrait.fit.match.__class__(10, 9, 18, KNOWN, 0, 3)
    fit = type(portrait.fit)("colour=blue", bare, 0.1)
    match = CodeCard.of(type(portrait)(KNOWN, 0, 3, 10, 100, fit, (), ())).match
    assert (match.precision.value, match.recall.value, match.precision.interval) == (0.9, 0.5, None)


def test_use_is_shown_as_it_was_counted(index):
    rows = use_rows(code_use(index))
    for row, use in zip(rows, code_use(index), strict=True):
        assert (row.site, row.group, row.n_alive) == (use.site, use.group, use.n_alive)
        assert (row.perplexity, row.effective_share) == (use.perplexity, use.effective_share)
        assert (row.alive_share, row.entropy_nats) == (use.alive_share, use.entropy_nats)


def test_a_number_that_is_not_finite_is_refused():
    with pytest.raises(ValidationError, match="finite"):
        CodeCard(site="z.0", group=0, code=0, n_uses=0, share=float("nan"))
