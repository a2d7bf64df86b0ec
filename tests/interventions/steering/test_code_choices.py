"""Codes stand where a spec asks, in each row its own, as `activate_codes` puts them."""

import copy

import pytest
import torch
from oracles.tiny_models import tiny, token_rows

from mechlab.core.errors import UsageError
from mechlab.dictionaries.codebook import Codebook, CodebookConfig
from mechlab.interventions.activate_codes import CodeChoice, activate_codes
from mechlab.interventions.codebook_model import CodebookModel
from mechlab.interventions.steering.parts import CodePart
from mechlab.interventions.steering.span import TokenSpan
from mechlab.interventions.steering.spec import SteerSpec, SteerStep
from mechlab.interventions.steering.steer_by import steer_by
from mechlab.models.loaders import load

SITE, PROMPTS = "mlp_out.1", token_rows(3, 5)


@pytest.fixture(scope="module")
def model():
    heads = Codebook(CodebookConfig(d_in=32, n_codes=20, k=3, n_groups=4), seed=1)
    whole = Codebook(CodebookConfig(d_in=32, n_codes=30, k=3), seed=2)
    return CodebookModel(load(copy.deepcopy(tiny("gpt2")), device="cpu"), {"z.0": heads, SITE: whole})


def step(code: int, slots: float = 1, site: str = SITE, **how) -> SteerStep:
    return SteerStep(part=CodePart(code=code), operation="activate", strength=slots, sites=(site,), **how)


def spec(*steps: SteerStep) -> SteerSpec:
    return SteerSpec(steps=steps)


def seen(model, given, site: str = SITE) -> torch.Tensor:
    with steer_by(model, given):
        return model.codes(PROMPTS)[site]


@pytest.mark.parametrize(("slots", "word"), [(1, "one"), (3, "all")])
@pytest.mark.parametrize("codes", [(4,), (4, 9)])
def test_they_stand_where_activate_codes_puts_them(model, slots, word, codes):
    with activate_codes(model, [CodeChoice(SITE, code) for code in codes], slots=word):
        expected, text = model.codes(PROMPTS)[SITE], model.generate(PROMPTS, 6)
    given = spec(*(step(code, slots) for code in codes))
    assert torch.equal(seen(model, given), expected)
    with steer_by(model, given):
        assert torch.equal(model.generate(PROMPTS, 6), text)
        assert torch.equal(model.generate(PROMPTS, 6, use_cache=False), text)


def test_each_row_has_its_own_and_one_may_have_none(model):
    plain = model.codes(PROMPTS)[SITE]
    found = seen(model, [spec(step(4, 3)), None, spec(step(9, 3))])
    assert bool((found[0] == 4).all() and (found[2] == 9).all()) and torch.equal(found[1], plain[1])


def test_only_decoded_tokens_have_them_where_so_asked(model):
    own = spec(step(4, 3, span=TokenSpan(within="decoded", start=1)))
    for use_cache in (True, False):
        ids = []
        with steer_by(model, own), model.watching(lambda site, snap, ids=ids: site == SITE and ids.append(snap.ids)):
            model.generate(PROMPTS, 4, use_cache=use_cache)
        found = torch.cat(ids, 1) if use_cache else ids[-1]
        assert (found == 4).flatten(2).all(-1).tolist() == [[False] * 6 + [True] * 2] * 3


def test_no_step_registers_nothing(model):
    plain = model.codes(PROMPTS)[SITE]
    with steer_by(model, [spec(), None, None]):
        assert not any(model._code_edits.values()) and torch.equal(model.codes(PROMPTS)[SITE], plain)


@pytest.mark.parametrize(
    ("steps", "line"),
    [
        ([step(30)], r"no such code at mlp_out.1: 30. Codes are 0\.\.29"),
        ([step(4, site="mlp_out.0")], "no codebook at this site"),
        ([step(4, 2)], "code cannot take so many slots: 2"),
        ([step(4, 0)], "code cannot take so many slots: 0"),
        ([step(1), step(2), step(3), step(4)], "more codes than slots: 4"),
    ],
)
def test_what_the_codebook_does_not_have_is_refused(model, steps, line):
    with pytest.raises(UsageError, match=line):
        steer_by(model, spec(*steps))


def test_a_model_without_codebooks_is_refused():
    with pytest.raises(UsageError, match="model has no codebooks"):
        steer_by(load(tiny("gpt2"), device="cpu"), spec(step(1)))
