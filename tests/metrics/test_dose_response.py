"""Doses: texts of equal draws at every strength, costs beside the model's own texts, and the dose that is taken."""

from contextlib import nullcontext
from dataclasses import replace

import pytest
import torch
from metrics.towards_may import WORDS, WRITING, towards_may, way
from oracles.tiny_models import tiny
from oracles.word_tokenizer import word_tokenizer

from mechlab.core.errors import UsageError
from mechlab.core.estimate import Estimate
from mechlab.metrics.dose_response import Dose, Reference, Way, best_dose, dose_response, front, monotone
from mechlab.metrics.written_text import WrittenText, losses_of_written
from mechlab.models.loaders import load


@pytest.fixture(scope="module")
def model():
    loaded = load(tiny("gpt2"), device="cpu")
    loaded.tokenizer = word_tokenizer(" ".join(WORDS))
    return loaded


def test_more_strength_means_more_of_the_concept_and_costs_more(model):
    doses = dose_response(model, way(model, 2.0, 6.0, 20.0), r"\bmay\b", WRITING)
    shares = [one.text.concept.value for one in doses]
    assert [one.strength for one in doses] == [0, 2, 6, 20] and shares == sorted(shares) and shares[-1] > 0.8
    assert monotone(doses) == pytest.approx(1) and shares[0] < 0.5
    assert doses[0].nll_increase is not None and doses[0].nll_increase.value == 0
    assert doses[-1].nll_increase is not None and doses[-1].nll_increase.low > 0


def test_costs_are_a_token_s_loss_beside_that_in_the_model_s_own_texts(model):
    _, dose = dose_response(model, way(model, 6.0), "may", WRITING)
    losses = []
    for edit in (towards_may(model, 6.0), nullcontext):
        texts = WRITING.texts(model, edit)
        totals = torch.cat([losses_of_written(model, one) for one in texts]).sum(0)
        losses.append(float(totals[0] / totals[1]))
    assert dose.nll_increase is not None and dose.nll_increase.value == pytest.approx(losses[0] / losses[1] - 1)


def test_an_edit_that_changes_nothing_writes_the_same_texts(model):
    own, same = dose_response(model, Way("nothing", {1.0: nullcontext}), "may", WRITING)
    assert same == replace(own, strength=1.0)


def test_a_known_reference_is_not_written_again(model):
    reference = Reference.of(model, "may", WRITING)
    assert dose_response(model, way(model, 3.0), "may", WRITING, reference=reference) == dose_response(
        model, way(model, 3.0), "may", WRITING
    )
    assert dose_response(model, Way("none", {}), "may", WRITING, reference=reference) == (reference.dose,)


def test_what_is_said_before_a_prompt_is_read_by_the_writer_and_cut_off_for_the_judge(model):
    texts = WRITING.texts(model, said_before="may may")
    longer = replace(WRITING, prompts=("may may the cat", "may may june")).texts(model)
    for own, other, prompt in zip(texts, longer, WRITING.prompts, strict=True):
        assert torch.equal(own.written, other.written)
        assert torch.equal(own.tokens[:1, : own.n_prompt], model.to_tokens(prompt).cpu())


@pytest.mark.parametrize("bad", [0.0, float("nan"), float("inf")])
def test_a_strength_that_is_none_is_refused(model, bad):
    with pytest.raises(UsageError, match="no strength to steer with"):
        dose_response(model, Way("bad", {bad: nullcontext}), "may", WRITING)


def dose(strength, concept, increase):
    told = Estimate(value=concept, low=concept, high=concept, n=3)
    costs = None if increase is None else Estimate(value=increase, low=increase, high=increase, n=3)
    return Dose(strength, WrittenText(told, None, {}, None, 3), costs)


DOSES = (dose(0, 0.1, 0), dose(1, 0.5, 0.02), dose(2, 0.82, 0.08), dose(3, 0.95, 0.12), dose(4, 1.0, 0.9))


def test_the_most_fluent_dose_with_enough_of_the_concept_is_taken():
    assert best_dose(DOSES).strength == 2
    assert best_dose(DOSES, wanted=0.9).strength == 3
    assert best_dose(DOSES, wanted=0.99).strength == 3  # the one that has enough costs too much
    assert best_dose(DOSES, wanted=0.99, most_increase=1).strength == 4
    assert best_dose(DOSES, most_increase=0.05).strength == 1
    assert best_dose((dose(0, 0.1, 0), dose(1, 1.0, None))).strength == 0
    with pytest.raises(UsageError, match="no dose is fluent enough"):
        best_dose(DOSES[-1:])


def test_the_front_has_what_nothing_beats_in_both():
    assert front((*DOSES, dose(5, 0.9, 0.5), dose(6, 0.2, None))) == (0, 1, 2, 3, 4)


def test_a_flat_response_is_not_monotone():
    assert monotone([dose(0, 0.5, 0), dose(1, 0.5, 0)]) is None
    assert monotone([dose(0, 0.5, 0), dose(1, 0.4, 0), dose(2, 0.1, 0)]) == pytest.approx(-1)
