"""A spliced dictionary stands in for the activation; with its error term nothing changes but what is meant to."""

import pytest
import torch
from oracles.null_predictors import ConstantDictionary, IdentityDictionary
from oracles.tiny_models import tiny, token_rows

from mechlab.core.errors import UsageError
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


def worn_transcoder(skip: bool) -> TopKDictionary:
    transcoder = TopKDictionary(TopKConfig(d_in=32, d_sae=64, k=4, d_out=32, skip=skip))
    draw = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in transcoder.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=draw))
    return transcoder


@pytest.mark.parametrize("skip", [False, True])
@torch.no_grad()
def test_a_transcoder_computed_from_what_enters_the_mlp_stands_in_for_what_leaves_it(model, skip):
    """The oracle is a plain forward hook on the library's own MLP, and the norm written out by hand."""
    tokens, transcoder = token_rows(), worn_transcoder(skip)
    modules = dict(model.module.named_modules())
    llama = "model.layers.1" in modules
    norm, mlp = (
        ("model.layers.1.post_attention_layernorm", "model.layers.1.mlp")
        if llama
        else ("transformer.h.1.ln_2", "transformer.h.1.mlp")
    )
    config, seen = model.module.config, []
    eps = config.rms_norm_eps if llama else config.layer_norm_epsilon

    def look(module, args):
        x = args[0] if llama else args[0] - args[0].mean(-1, keepdim=True)
        seen.append(x / (x.square().mean(-1, keepdim=True) + eps).sqrt())

    handles = [
        modules[norm].register_forward_pre_hook(look),
        modules[mlp].register_forward_hook(lambda *_: _by_hand(transcoder, seen[-1])),
    ]
    expected = model.module(tokens).logits
    for handle in handles:
        handle.remove()
    with splice(model, transcoder, "mlp.1"):
        found = model.logits(tokens)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    assert (found - model.logits(tokens)).abs().max() > 0.1


def _by_hand(transcoder: TopKDictionary, x: torch.Tensor) -> torch.Tensor:
    norms = transcoder.W_dec.norm(dim=1)
    pre = (x @ transcoder.encoder.T + transcoder.b_enc) * norms
    kept = pre * (pre >= pre.topk(4, dim=-1).values[..., -1:])
    out = (kept.relu() / norms) @ transcoder.W_dec + transcoder.b_dec
    return out if transcoder.W_skip is None else out + torch.einsum("oi,...i->...o", transcoder.W_skip, x)


@torch.no_grad()
def test_a_transcoder_with_its_error_term_changes_nothing_but_by_its_codes(model):
    tokens, transcoder = token_rows(), worn_transcoder(skip=True)
    clean = model.logits(tokens)
    with splice(model, transcoder, "mlp.1", error=True):
        assert torch.equal(model.logits(tokens), clean)
    added = torch.nn.functional.one_hot(torch.tensor(7), 64).float() * 5
    with splice(model, transcoder, "mlp.1", error=True, change=lambda codes: codes + added):
        changed = model.logits(tokens)
    direction = transcoder.decode(added) - transcoder.b_dec
    with model.edit({"mlp_out.1": lambda activation: activation + direction}):
        torch.testing.assert_close(changed, model.logits(tokens), rtol=1e-4, atol=1e-4)
    assert (changed - clean).abs().max() > 0.1


def test_several_sites_cannot_be_spliced_in_one_pass(model):
    with (
        pytest.raises(UsageError, match=r"several sites.*resid_post\.0,resid_post\.1"),
        splice(model, worn_transcoder(skip=False), "resid_post.0,resid_post.1"),
    ):
        pass
