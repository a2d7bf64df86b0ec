"""Replacing an activation touches the tokens it should, and no others."""

import pytest
import torch
from oracles.toy_model import SITE, ToyModel, toy_rows

from mechlab.core.errors import UsageError
from mechlab.interventions.replace import replace


def test_the_replacement_reaches_every_token():
    model = ToyModel()
    rows = toy_rows(model, 3, 7)
    with replace(model, SITE, torch.ones_like):
        logits = model.logits(rows.tokens)
    torch.testing.assert_close(logits, model.unembedding.sum(0).expand_as(logits))


def test_untouched_tokens_keep_their_activation_bit_for_bit():
    model = ToyModel()
    rows = toy_rows(model, 3, 7)
    clean = model.logits(rows.tokens)
    untouched = torch.rand(3, 7, generator=torch.Generator().manual_seed(0)) < 0.5
    with replace(model, SITE, torch.zeros_like, untouched=untouched):
        logits = model.logits(rows.tokens)
    assert torch.equal(logits[untouched], clean[untouched])
    assert (logits[~untouched] == 0).all()


def test_one_vector_stands_in_for_all_tokens():
    model = ToyModel()
    rows = toy_rows(model, 3, 7)
    vector = torch.arange(8.0)
    with replace(model, SITE, lambda _: vector):
        logits = model.logits(rows.tokens)
    torch.testing.assert_close(logits, (vector @ model.unembedding).expand_as(logits))


def test_untouched_flags_of_another_batch_are_refused():
    model = ToyModel()
    rows = toy_rows(model, 3, 7)
    untouched = torch.ones(2, 7, dtype=torch.bool)
    with pytest.raises(UsageError, match="do not fit"), replace(model, SITE, torch.zeros_like, untouched=untouched):
        model.logits(rows.tokens)
