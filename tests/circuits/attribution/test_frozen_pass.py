"""What is held still is what the pass had; a prompt or a set that does not fit is refused."""

import pytest
import torch
from circuits.attribution.random_transcoders import random_set
from oracles.tiny_models import tiny, token_rows

from mechlab.circuits.attribution.frozen_pass import frozen_pass
from mechlab.circuits.attribution.rows import attributed
from mechlab.circuits.attribution.sources import sources_of
from mechlab.circuits.attribution.targets import logit_targets
from mechlab.core.errors import UsageError
from mechlab.interventions.transcoder_set import TranscoderSet
from mechlab.models.huggingface import HuggingFaceModel


@pytest.mark.parametrize("family", ["gpt2", "llama", "neox_parallel"])
def test_it_holds_the_activations_of_the_pass(family):
    model = HuggingFaceModel(tiny(family))
    tokens = token_rows(1, 9)
    frozen = frozen_pass(model, random_set("relu", model.spec, torch.float32), tokens)
    held = {
        "pattern.1": frozen.layers[1].pattern,
        "ln1_scale.1": frozen.layers[1].ln1,
        "mlp_out.2": frozen.layers[2].written,
        "ln2_normalized.2": frozen.layers[2].read,
        "ln_final_scale": frozen.ln_final,
    }
    seen = model.activations(tokens, list(held))
    for site, own in held.items():
        assert torch.allclose(own, seen[site][0], atol=1e-5), site  # attention in the open rounds elsewhere
    assert frozen.n_pos == 9 and frozen.has_bos == (int(tokens[0, 0]) == model.bos_id)


def test_norms_of_a_float64_model_are_held_in_float64():
    model = HuggingFaceModel(tiny("llama").double())
    frozen = frozen_pass(model, random_set("relu", model.spec), token_rows(1, 9))
    gained = frozen.final * model.weights().ln_final_w
    logits = model.logits(token_rows(1, 9))[0]
    assert (gained @ model.weights().W_U - logits).abs().max() < 1e-5  # the model's own norm rounds to float32
    square = frozen.final.square().mean(-1)
    assert (square - 1).abs().max() < 1e-3 and not torch.equal(frozen.final, frozen.final.float().double())


@pytest.mark.parametrize("kind", ["relu with a skip", "topk", "crosslayer_transcoder"])
def test_a_narrow_model_is_held_in_float32_and_misses_what_it_rounds(kind):
    model = HuggingFaceModel(tiny("llama").bfloat16())
    frozen = frozen_pass(model, random_set(kind, model.spec, torch.bfloat16), token_rows(1, 9))
    held = [value for one in frozen.layers for value in vars(one).values() if value is not None]
    own = [frozen.weights.W_U, frozen.weights.layers[1].W_O, frozen.transcoders.bias(2), frozen.final, *held]
    assert {value.dtype for value in own} == {torch.float32}
    sources = sources_of(frozen)
    targets = logit_targets(frozen, [3, 7])
    missing = attributed(frozen, sources, targets).missing(targets).abs() / (1 + targets.values.abs())
    assert 1e-6 < missing.max() < 0.05


def test_only_layer_norms_centre():
    for family, centres in (("gpt2", True), ("llama", False)):
        model = HuggingFaceModel(tiny(family))
        frozen = frozen_pass(model, random_set("relu", model.spec, torch.float32), token_rows(1, 5))
        vectors = torch.randn(3, model.spec.d_model)
        assert (frozen.centred(vectors).mean(-1).abs().max() < 1e-6) == centres


def test_a_prompt_longer_than_the_context_and_a_set_of_other_layers_are_refused():
    model = HuggingFaceModel(tiny("gpt2"))
    transcoders = random_set("relu", model.spec, torch.float32)
    with pytest.raises(UsageError, match=r"context|at most"):
        frozen_pass(model, transcoders, token_rows(1, model.spec.n_ctx + 1))
    with pytest.raises(UsageError, match="not of all layers: '2 of 3'"):
        frozen_pass(model, TranscoderSet(transcoders.layers[:2], transcoders.read_kind), token_rows(1, 5))
