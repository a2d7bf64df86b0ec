"""What a direction behind a norm reads in front of it is autograd's gradient of the library's own norm."""

import pytest
import torch
from oracles.tiny_models import tiny

from mechlab.circuits.observables.parts import parts_of
from mechlab.core.errors import UsageError
from mechlab.models.huggingface import HuggingFaceModel

FAMILIES = ["gpt2", "neox_parallel", "neox_sequential", "llama", "qwen3"]


def library_norm(hf_model, name):
    """Return a norm of the library's model, in float64."""
    kind, _, layer = name.partition(".")
    if hasattr(hf_model, "transformer"):
        core = hf_model.transformer
        module = core.ln_f if kind == "ln_final" else getattr(core.h[int(layer)], {"ln1": "ln_1", "ln2": "ln_2"}[kind])
    elif hasattr(hf_model, "gpt_neox"):
        core = hf_model.gpt_neox
        names = {"ln1": "input_layernorm", "ln2": "post_attention_layernorm"}
        module = core.final_layer_norm if kind == "ln_final" else getattr(core.layers[int(layer)], names[kind])
    else:
        core = hf_model.model
        names = {"ln1": "input_layernorm", "ln2": "post_attention_layernorm"}
        own = core.norm if kind == "ln_final" else getattr(core.layers[int(layer)], names[kind])
        # The library's RMSNorm rounds to float32; this is the same one without rounding.
        return lambda x: own.weight * x / (x.square().mean(-1, keepdim=True) + own.variance_epsilon).sqrt()
    return module


def drawn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("name", ["ln1.0", "ln2.1", "ln1.2", "ln_final"])
def test_it_is_the_librarys_norm_and_its_gradient(family, name):
    hf_model = tiny(family).double()
    norm, oracle = parts_of(HuggingFaceModel(hf_model)).norm(name), library_norm(hf_model, name)
    stream, direction = 0.05 * drawn(5, 32) + 0.02, drawn(5, 32, seed=1)
    assert torch.allclose(norm(stream), oracle(stream), atol=1e-12)
    own = stream.clone().requires_grad_()
    wanted = torch.autograd.grad((oracle(own) * direction).sum(), own)[0]
    assert torch.allclose(norm.pulled(direction, stream, "exact"), wanted, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_with_the_divisor_held_still_parts_of_the_stream_add_up(family):
    norm = parts_of(HuggingFaceModel(tiny(family).double())).norm("ln2.1")
    parts, direction = drawn(3, 32), drawn(32, seed=1)
    stream = parts.sum(0)
    own = norm.pulled(direction, stream, "frozen")
    assert torch.allclose((parts @ own).sum() + norm.bias @ direction, norm(stream) @ direction, atol=1e-12)


def test_the_cheap_way_is_the_gain_over_the_streams_length():
    norm = parts_of(HuggingFaceModel(tiny("gpt2").double())).norm("ln1.1")
    stream, direction = drawn(2, 32), drawn(2, 32, seed=1)
    found, bare = (norm.pulled(direction, where, "cheap") for where in (stream, None))
    for row in range(2):
        assert torch.allclose(bare[row], 32**0.5 * norm.gain * direction[row])
        assert torch.allclose(found[row] * stream[row].norm(), bare[row])
    assert norm.pulled(direction, None, "skip") is direction
    # With the stream centred and the direction without a part along its mean, it is nearly the frozen way.
    centred = norm.centred(1e3 * stream)
    frozen = norm.pulled(direction, centred, "frozen")
    assert torch.allclose(frozen, norm.centred(norm.pulled(direction, centred, "cheap")), rtol=1e-6)


@pytest.mark.parametrize("how", ["exact", "frozen"])
def test_a_norm_at_no_point_is_refused(how):
    norm = parts_of(HuggingFaceModel(tiny("gpt2").double())).norm("ln1.1")
    with pytest.raises(UsageError, match=rf"norm is linearised {how} at no point: 'ln1.1'"):
        norm.pulled(drawn(32), None, how)
