"""A model with codebooks is a language model like any other, of which only codes go on at some sites."""

import copy

import pytest
import torch
from oracles.tiny_models import tiny, token_rows

from mechlab.core.errors import UnknownName, UsageError
from mechlab.dictionaries.codebook import NO_CODE, Codebook, CodebookConfig
from mechlab.interventions.codebook_model import CodebookModel
from mechlab.models.loaders import load

SITES = ("z.0", "mlp_out.1", "resid_post.2")


def books(seed: int = 0) -> dict[str, Codebook]:
    heads = CodebookConfig(d_in=32, n_codes=20, k=2, n_groups=4)
    whole = CodebookConfig(d_in=32, n_codes=30, k=3)
    return {site: Codebook(heads if site == "z.0" else whole, seed=seed + at) for at, site in enumerate(SITES)}


@pytest.fixture(scope="module", params=["gpt2", "neox_parallel", "llama"])
def plain(request):
    return load(tiny(request.param), device="cpu")


@pytest.fixture
def model(plain):
    return CodebookModel(load(copy.deepcopy(plain.module), device="cpu"), books())


def hooked_by_hand(plain, own: dict[str, Codebook]) -> list:
    """Put the codebooks in by plain PyTorch hooks."""
    blocks, made = plain.layout.blocks, []
    made.append(blocks[0].o.register_forward_pre_hook(lambda _, args: (own["z.0"](args[0]), *args[1:])))
    made.append(blocks[1].mlp_out.register_forward_hook(lambda _, args, output: own["mlp_out.1"](output)))

    def behind(_, args, output):
        first = output[0] if isinstance(output, tuple) else output
        changed = own["resid_post.2"](first)
        return (changed, *output[1:]) if isinstance(output, tuple) else changed

    return [*made, blocks[2].module.register_forward_hook(behind)]


@torch.no_grad()
def test_logits_are_those_of_plain_hooks_that_snap(plain, model):
    tokens, clean = token_rows(), plain.logits(token_rows())
    handles = hooked_by_hand(plain, model.codebooks)
    expected = plain.module(tokens).logits
    for handle in handles:
        handle.remove()
    torch.testing.assert_close(model.logits(tokens), expected)
    assert (model.logits(tokens) - clean).abs().max() > 0.05


@torch.no_grad()
def test_without_codebooks_it_is_the_model_it_was(plain, model):
    tokens = token_rows()
    with model.without_codebooks():
        assert torch.equal(model.logits(tokens), plain.logits(tokens))
    assert not torch.equal(model.logits(tokens), plain.logits(tokens))


def test_generation_with_a_cache_is_that_without(model):
    prompts = token_rows()[:, :6]
    for temperature in (0.0, 1.0):
        kept, anew = (
            model.generate(
                prompts, 9, temperature=temperature, use_cache=cache, generator=torch.Generator().manual_seed(3)
            )
            for cache in (True, False)
        )
        assert torch.equal(kept, anew)


def test_what_is_read_at_a_site_is_what_goes_on(model):
    tokens = token_rows()
    read = model.activations(tokens, SITES)
    for site in SITES:
        decoded = model.codebooks[site].decode(model.codes(tokens)[site])
        torch.testing.assert_close(read[site].flatten(2), decoded)
    with model.read("mlp_out.1") as kept, torch.no_grad():
        model.logits(tokens)
    torch.testing.assert_close(kept["blocks.1.hook_mlp_out"], read["mlp_out.1"])


def test_codes_are_those_nearest_to_what_the_codebooks_before_let_through(plain, model):
    tokens = token_rows()
    alone = CodebookModel(load(copy.deepcopy(plain.module), device="cpu"), {"z.0": model.codebooks["z.0"]})
    arriving = alone.activations(tokens, ["mlp_out.1"])["mlp_out.1"]
    assert torch.equal(model.codes(tokens)["mlp_out.1"], model.codebooks["mlp_out.1"].nearest(arriving))


def test_an_edit_of_codes_is_decoded_in_their_place_also_with_a_cache(model):
    tokens = token_rows()

    def fifth(ids: torch.Tensor) -> torch.Tensor:
        ids[..., -1] = 5
        return ids

    with model.edit_codes({"mlp_out.1": fifth}):
        changed = model.codes(tokens)["mlp_out.1"]
        site = model.activations(tokens, ["mlp_out.1"])["mlp_out.1"]
        kept, anew = (model.generate(tokens[:, :5], 7, use_cache=cache) for cache in (True, False))
    plain_codes = model.codes(tokens)["mlp_out.1"]
    assert torch.equal(changed[..., :-1], plain_codes[..., :-1]) and bool((changed[..., -1] == 5).all())
    torch.testing.assert_close(site, model.codebooks["mlp_out.1"].decode(changed))
    assert torch.equal(kept, anew)


@torch.no_grad()
def test_edits_that_change_no_code_change_nothing_and_ablated_slots_add_nothing(model):
    tokens = token_rows()
    clean = model.logits(tokens)
    with model.edit_codes({"mlp_out.1": lambda ids: ids}):
        torch.testing.assert_close(model.logits(tokens), clean)
    with model.edit_codes({"mlp_out.1": lambda ids: torch.full_like(ids, NO_CODE)}):
        assert not model.activations(tokens, ["mlp_out.1"])["mlp_out.1"].any()


def test_edits_of_one_site_compose_in_the_order_they_were_opened(model):
    seen = []
    first = {"z.0": lambda ids: torch.full_like(ids, 7)}
    second = {"z.0": lambda ids: (seen.append(ids.unique().tolist()), ids)[1]}
    with model.edit_codes(first), model.edit_codes(second):
        model.codes(token_rows())
    assert seen == [[7]]


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (lambda ids: ids[:, 1:], "does not return codes"),
        (lambda ids: ids.float(), "does not return codes"),
        (lambda ids: ids + 10**6, "no such code at mlp_out.1"),
        (lambda ids: torch.full_like(ids, -2), "no such code at mlp_out.1: -2"),
    ],
)
def test_what_is_no_edit_of_codes_is_refused_in_one_line(model, edit, said):
    with pytest.raises(UsageError, match=said) as caught, model.edit_codes({"mlp_out.1": edit}):
        model.codes(token_rows())
    assert "\n" not in str(caught.value)


def test_a_site_without_a_codebook_is_refused(model):
    with pytest.raises(UsageError, match=r"no codebook at this site: 'mlp_out.0'.*z.0, mlp_out.1"):
        model.codebook_at("mlp_out.0")
    with pytest.raises(UnknownName):
        model.codebook_at("nowhere.1")


def test_a_site_of_another_width_is_refused(plain):
    wrong = {"mlp_out.1": Codebook(CodebookConfig(d_in=8, n_codes=5))}
    with pytest.raises(UsageError, match="codebook does not fit the site"):
        CodebookModel(load(copy.deepcopy(plain.module), device="cpu"), wrong).codes(token_rows())


def test_the_fingerprint_is_of_model_and_codes(plain, model):
    same = CodebookModel(load(copy.deepcopy(plain.module), device="cpu"), books())
    other = CodebookModel(load(copy.deepcopy(plain.module), device="cpu"), books(seed=9))
    assert model.fingerprint == same.fingerprint
    assert len({model.fingerprint, other.fingerprint, plain.fingerprint}) == 3
