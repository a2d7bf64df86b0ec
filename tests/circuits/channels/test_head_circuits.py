"""Circuits of a model's heads are its folded weights multiplied out, in every family."""

import pytest
import torch
from oracles.tiny_models import FAMILIES, hooked_transformer, tiny

from mechlab.circuits.channels.head_circuits import head_circuits
from mechlab.core.errors import UsageError
from mechlab.models.huggingface import HuggingFaceModel
from mechlab.models.processing import processed
from mechlab.models.rotation import rotation
from mechlab.models.transformerlens import wrap


@pytest.mark.parametrize("family", FAMILIES)
def test_circuits_multiply_out_to_the_folded_weights(family):
    model = HuggingFaceModel(tiny(family))
    found, weights, turn = head_circuits(model, offset=0), processed(model).weights(), rotation(model, 0)
    layer = weights.layers[1]
    out = layer.W_O.double() * (1 if layer.ln1_post_w is None else layer.ln1_post_w)
    assert torch.allclose(found.ov.matrices()[1], layer.W_V.double() @ out, atol=1e-9)
    gains = (1 if gain is None else gain for gain in (layer.q_norm_w, layer.k_norm_w))
    query, key = (part.double() * gain for part, gain in zip((layer.W_Q, layer.W_K), gains, strict=True))
    middle = torch.eye(query.shape[-1], dtype=torch.float64) if turn is None else turn
    assert torch.allclose(found.qk.matrices()[1], query @ middle @ key.mT, atol=1e-9)


def test_one_dimension_less_is_open_to_writes_that_are_centred():
    assert head_circuits(HuggingFaceModel(tiny("gpt2"))).d_stream == 31
    assert head_circuits(HuggingFaceModel(tiny("llama"))).d_stream == 32


@pytest.mark.parametrize("family", ["llama", "neox_parallel"])
def test_keys_further_back_are_turned(family):
    model = HuggingFaceModel(tiny(family))
    near, far = (head_circuits(model, offset=offset) for offset in (0, 5))
    layer, turn = processed(model).weights().layers[2], rotation(model, 5)
    assert torch.allclose(far.qk.matrices()[2], layer.W_Q.double() @ turn @ layer.W_K.double().mT, atol=1e-9)
    assert not torch.allclose(far.qk.matrices(), near.qk.matrices(), atol=1e-2)
    assert torch.equal(far.ov.matrices(), near.ov.matrices())


def test_with_biases_keys_are_also_read_along_what_the_queries_bias_looks_for():
    model = HuggingFaceModel(tiny("gpt2"))
    plain, biased = (head_circuits(model, biases=biases) for biases in (False, True))
    layer = processed(model).weights().layers[0]
    seen = biased.readers("k")
    gram = (seen.directions * seen.strengths[..., None, :] ** 2) @ seen.directions.mT
    both = torch.cat([layer.W_Q, layer.b_Q[:, None]], 1).double() @ layer.W_K.double().mT
    assert torch.allclose(gram[0], both.mT @ both, atol=1e-8)
    assert torch.equal(plain.readers("q").directions, biased.readers("q").directions)
    assert torch.equal(plain.readers("v").directions, biased.readers("v").directions)


def test_a_model_of_transformerlens_that_is_folded_gives_the_circuits_of_the_model_it_was_made_of():
    own = tiny("gpt2")
    folded = wrap(hooked_transformer(own, fold_ln=True, center_writing_weights=True))
    ours, theirs = head_circuits(HuggingFaceModel(own)), head_circuits(folded)
    assert torch.allclose(ours.ov.matrices(), theirs.ov.matrices(), atol=1e-5)
    assert torch.allclose(ours.qk.matrices(), theirs.qk.matrices(), atol=1e-5) and ours.d_stream == theirs.d_stream


def test_norms_that_are_not_folded_are_refused():
    model = processed(HuggingFaceModel(tiny("gpt2")), fold_norm=False)
    with pytest.raises(UsageError, match="norms are not folded"):
        head_circuits(model)


def test_a_model_of_transformerlens_that_is_not_folded_is_refused():
    with pytest.raises(UsageError):
        head_circuits(wrap(hooked_transformer(tiny("gpt2"))))
