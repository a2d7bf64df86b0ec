"""Transcoders in the place of every MLP: with their errors the model itself, without them what hand-made hooks give."""

from contextlib import ExitStack

import pytest
import torch
from circuits.attribution.random_transcoders import CROSS_LAYER, PER_LAYER, random_set
from oracles.tiny_models import N_LAYERS, tiny, token_rows

from mechlab.interventions.splice import splice
from mechlab.interventions.stand_in import errors_left, stand_in
from mechlab.interventions.transcoder_set import TranscoderSet
from mechlab.models.huggingface import HuggingFaceModel

KINDS = ("relu with a skip", "topk", "jumprelu", *CROSS_LAYER)


def made(family: str, kind: str) -> tuple[HuggingFaceModel, TranscoderSet, torch.Tensor]:
    model = HuggingFaceModel(tiny(family).double())
    return model, random_set(kind, model.spec), token_rows(3, 9)


def by_hand(model: HuggingFaceModel, found: TranscoderSet, tokens: torch.Tensor, change=lambda layer, codes: codes):
    """Return the logits of a GPT-2 whose MLP modules answer what the dictionaries make of the norm's input."""
    parts, handles = {}, []

    def answering(layer, block):
        def answer(module, args, output):
            x = torch.nn.functional.layer_norm(streams[layer], streams[layer].shape[-1:], eps=block.ln_2.eps)
            own = found.layers[layer]
            if hasattr(own, "encode_layer"):
                parts[layer] = own.written_by(layer, change(layer, own.encode_layer(layer, x)))
                arriving = [parts[source][:, :, layer - source] for source in range(layer + 1)]
                return sum(arriving, own.layer_bias(layer).expand_as(x))
            return own.rebuild(x, change(layer, own.encode(x)))

        return answer

    streams = {}
    for layer, block in enumerate(model.module.transformer.h):
        handles.append(block.ln_2.register_forward_hook(lambda m, a, o, layer=layer: streams.update({layer: a[0]})))
        handles.append(block.mlp.register_forward_hook(answering(layer, block)))
    logits = model.module(tokens).logits
    for handle in handles:
        handle.remove()
    return logits


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_what_hooks_of_the_model_s_own_give(kind):
    model, found, tokens = made("gpt2", kind)
    with stand_in(model, found):
        seen = model.logits(tokens)
    assert torch.allclose(seen, by_hand(model, found, tokens), atol=1e-9)
    assert (seen - model.logits(tokens)).abs().max() > 0.1


@pytest.mark.parametrize("kind", KINDS)
def test_codes_may_be_changed_layer_by_layer(kind):
    model, found, tokens = made("gpt2", kind)

    def change(layer, codes):
        codes = codes.clone()
        codes[:, 2:, layer::2] *= 0.5 + layer
        return codes

    with stand_in(model, found, change=change):
        seen = model.logits(tokens)
    assert torch.allclose(seen, by_hand(model, found, tokens, change), atol=1e-9)
    assert (seen - by_hand(model, found, tokens)).abs().max() > 0.01


@pytest.mark.parametrize("kind", [*PER_LAYER, *CROSS_LAYER])
@pytest.mark.parametrize("family", ["gpt2", "llama", "neox_parallel", "gemma2"])
def test_with_its_errors_it_is_the_model_itself(family, kind):
    model, found, tokens = made(family, kind)
    errors = errors_left(model, found, tokens)
    with stand_in(model, found, errors=errors):
        seen = model.logits(tokens)
    assert torch.allclose(seen, model.logits(tokens), atol=1e-5) and errors.abs().max() > 0.1


def test_it_is_a_splice_of_every_layer():
    model, found, tokens = made("llama", "jumprelu")
    marks = torch.zeros_like(tokens, dtype=torch.bool)
    marks[:, 0] = True
    with stand_in(model, found, untouched=marks):
        seen = model.logits(tokens)
    with ExitStack() as opened:
        for layer in range(N_LAYERS):
            opened.enter_context(splice(model, found.layers[layer], f"mlp.{layer}", untouched=marks))
        wanted = model.logits(tokens)
    assert torch.allclose(seen, wanted, atol=1e-9)
    with stand_in(model, found):
        assert not torch.allclose(model.logits(tokens), wanted, atol=1e-3)
