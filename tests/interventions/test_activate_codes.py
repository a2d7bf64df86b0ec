"""Chosen codes stand where they are asked to, in as many slots as asked, also while text is generated."""

import copy

import pytest
import torch
from oracles.tiny_models import tiny, token_rows

from mechlab.core.errors import UsageError
from mechlab.dictionaries.codebook import Codebook, CodebookConfig
from mechlab.interventions.activate_codes import CodeChoice, activate_codes
from mechlab.interventions.codebook_model import CodebookModel
from mechlab.models.loaders import load

SITE = "mlp_out.1"


@pytest.fixture(scope="module")
def model():
    heads = Codebook(CodebookConfig(d_in=32, n_codes=20, k=3, n_groups=4), seed=1)
    whole = Codebook(CodebookConfig(d_in=32, n_codes=30, k=3), seed=2)
    return CodebookModel(load(copy.deepcopy(tiny("gpt2")), device="cpu"), {"z.0": heads, SITE: whole})


def codes_with(model, choices, site=SITE, **how):
    with activate_codes(model, choices, **how):
        return model.codes(token_rows())[site]


def test_one_code_takes_the_least_similar_slot_where_it_is_not_there_already(model):
    plain = model.codes(token_rows())[SITE][..., 0, :]
    wanted = int(plain[0, 0, 1])
    found = codes_with(model, [CodeChoice(SITE, wanted)])[..., 0, :]
    there = (plain == wanted).any(-1)
    assert there.any() and not there.all()
    assert torch.equal(found[there], plain[there])
    assert torch.equal(found[~there][:, :-1], plain[~there][:, :-1])
    assert bool((found[~there][:, -1] == wanted).all())


def test_two_codes_take_the_two_least_similar_and_leave_each_other_alone(model):
    found = codes_with(model, [CodeChoice(SITE, 4), CodeChoice(SITE, 9)])[..., 0, :]
    assert bool(((found == 4).sum(-1) == 1).all() and ((found == 9).sum(-1) == 1).all())
    plain = model.codes(token_rows())[SITE][..., 0, :]
    neither = ~torch.isin(plain, torch.tensor([4, 9])).any(-1)
    assert torch.equal(found[neither][:, 0], plain[neither][:, 0])


def test_all_slots_are_taken_in_turn(model):
    assert bool((codes_with(model, [CodeChoice(SITE, 7)], slots="all") == 7).all())
    both = codes_with(model, [CodeChoice(SITE, 7), CodeChoice(SITE, 8)], slots="all")
    assert torch.equal(both, torch.tensor([7, 8, 7]).expand_as(both))


def test_other_groups_keep_theirs(model):
    plain, found = model.codes(token_rows())["z.0"], codes_with(model, [CodeChoice("z.0", 25)], "z.0", slots="all")
    assert bool((found[..., 1, :] == 25).all())
    assert torch.equal(found[..., [0, 2, 3], :], plain[..., [0, 2, 3], :])


def test_only_the_positions_asked_for_are_touched(model):
    plain, found = model.codes(token_rows())[SITE], codes_with(model, [CodeChoice(SITE, 7)], positions=range(2, 5))
    touched = (found != plain).any(-1).any(-1).any(0).nonzero().flatten().tolist()
    assert touched == [2, 3, 4]


@pytest.mark.parametrize("positions", [None, range(0, 6), range(6, 99), range(8, 10)])
@pytest.mark.parametrize("slots", ["one", "all"])
def test_generation_with_a_cache_is_that_without(model, positions, slots):
    prompts = token_rows()[:, :6]
    with activate_codes(model, [CodeChoice(SITE, 7), CodeChoice("z.0", 3)], slots=slots, positions=positions):
        kept, anew = (model.generate(prompts, 8, use_cache=cache) for cache in (True, False))
    assert torch.equal(kept, anew)


@torch.no_grad()
def test_no_codes_and_no_positions_change_nothing(model):
    tokens = token_rows()
    clean = model.logits(tokens)
    with activate_codes(model, []):
        assert torch.equal(model.logits(tokens), clean)
    with activate_codes(model, [CodeChoice(SITE, 7)], positions=range(0)):
        torch.testing.assert_close(model.logits(tokens), clean)


@pytest.mark.parametrize(
    ("codes", "said"),
    [
        ([CodeChoice(SITE, 30)], r"no such code at mlp_out.1: 30. Codes are 0..29"),
        ([CodeChoice(SITE, -1)], r"no such code at mlp_out.1: -1"),
        ([CodeChoice("mlp_out.0", 1)], "no codebook at this site"),
        ([CodeChoice(SITE, code) for code in range(4)], r"more codes than slots: 4. Group 0 of mlp_out.1 has 3"),
    ],
)
def test_what_cannot_be_activated_is_refused_in_one_line(model, codes, said):
    with pytest.raises(UsageError, match=said) as caught:
        activate_codes(model, codes)
    assert "\n" not in str(caught.value)


def test_a_site_named_in_two_ways_is_one_site(model):
    other = CodeChoice("blocks.1.hook_mlp_out", 9)
    found = codes_with(model, [CodeChoice(SITE, 4), other])
    assert torch.equal(found, codes_with(model, [CodeChoice(SITE, 4), CodeChoice(SITE, 9)]))
    seen = []
    with model.edit_codes(
        {SITE: lambda ids: (seen.append(1), ids)[1], other.site: lambda ids: (seen.append(2), ids)[1]}
    ):
        model.codes(token_rows())
    assert seen == [1, 2]
