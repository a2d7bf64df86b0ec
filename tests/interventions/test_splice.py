"""A spliced dictionary stands in for the activation; with its error term nothing changes but what is meant to."""

import pytest
import torch
from oracles.null_predictors import ConstantDictionary, IdentityDictionary
from oracles.tiny_models import tiny, token_rows

from mechlab.dictionaries.topk import TopKConfig, TopKDictionary
from mechlab.interventions.splice import splice
from mechlab.models.loaders import load

SITE = "resid_post.1"


@pytest.fixture(scope="module", params=["gpt2", "llama"])
def model(request):
    return load(tiny(request.param), device="cpu")


@pytest.fixture(scope="module")
def dictionary():
    return TopKDictionary(TopKConfig(d_in=32, d_sae=64, k=4))


@torch.no_grad()
def test_the_logits_are_those_of_a_plain_hook_that_writes_the_reconstruction(model, dictionary):
    tokens = token_rows()
    block = dict(model.module.named_modules())
    block = block.get("transformer.h.1") or block["model.layers.1"]

    def write(module, args, output):
        hidden = output[0] if isinstance(output, tuple) else output
        rebuilt = dictionary(hidden)
        return (rebuilt, *output[1:]) if isinstance(output, tuple) else rebuilt

    handle = block.register_forward_hook(write)
    expected = model.module(tokens).logits
    handle.remove()
    clean = model.logits(tokens)
    with splice(model, dictionary, SITE):
        found = model.logits(tokens)
    torch.testing.assert_close(found, expected)
    assert (found - clean).abs().max() > 0.1
    assert torch.equal(model.logits(tokens), clean), "the model is left as it was"


@torch.no_grad()
def test_with_its_error_term_a_splice_is_exact(model, dictionary):
    tokens = token_rows()
    clean = model.logits(tokens)
    with splice(model, dictionary, SITE, error=True):
        assert torch.equal(model.logits(tokens), clean)
    with splice(model, dictionary, SITE, error=True, change=lambda codes: codes * 1):
        assert torch.equal(model.logits(tokens), clean)


@torch.no_grad()
def test_a_changed_code_moves_the_activation_by_its_direction_alone(model, dictionary):
    tokens, feature = token_rows(), 5

    def raised(codes):
        codes = codes.clone()
        codes[..., feature] += 2
        return codes

    with model.read(SITE) as before:
        model.logits(tokens)
    x = before[SITE].clone()
    with splice(model, dictionary, SITE, error=True, change=raised), model.read(SITE) as after:
        model.logits(tokens)
    unit = dictionary.W_dec[feature] / dictionary.W_dec[feature].norm()
    torch.testing.assert_close(after[SITE] - x, (2 * unit).expand_as(x), atol=2e-6, rtol=0)


@torch.no_grad()
def test_untouched_tokens_keep_their_activation(model):
    tokens = token_rows()
    untouched = torch.zeros(tokens.shape, dtype=torch.bool)
    untouched[:, 0] = True
    clean = model.logits(tokens)
    with splice(model, ConstantDictionary(torch.ones(32)), SITE, untouched=untouched):
        found = model.logits(tokens)
    torch.testing.assert_close(found[:, 0], clean[:, 0])
    assert ((found - clean).abs().amax(-1) > 1e-3)[:, 1:].all()


@torch.no_grad()
def test_the_identity_spliced_in_changes_nothing(model):
    tokens = token_rows()
    clean = model.logits(tokens)
    with splice(model, IdentityDictionary(), SITE):
        assert torch.equal(model.logits(tokens), clean)


def test_the_model_is_left_as_it_was_after_an_error(model, dictionary):
    tokens = token_rows()
    clean = model.logits(tokens)
    with pytest.raises(ZeroDivisionError), splice(model, dictionary, SITE, change=lambda codes: 1 / 0):
        model.logits(tokens)
    assert torch.equal(model.logits(tokens), clean)
