"""What norms add is what a norm of the model divides by beyond the root of the variance."""

import pytest
import torch
from oracles.tiny_models import tiny, token_rows
from oracles.toy_model import ToyModel

from mechlab.core.errors import UsageError
from mechlab.models.huggingface import HuggingFaceModel
from mechlab.models.norm_eps import norm_eps


@pytest.mark.parametrize("family", ["gpt2", "neox_parallel", "llama", "gemma2"])
def test_the_divisor_of_a_norm_has_it(family):
    hf_model = tiny(family).double()
    for module in hf_model.modules():
        for name in ("eps", "variance_epsilon"):
            if hasattr(module, name):
                setattr(module, name, 0.05)
    for name in ("layer_norm_epsilon", "layer_norm_eps", "rms_norm_eps"):
        if hasattr(hf_model.config, name):
            setattr(hf_model.config, name, 0.05)
    model = HuggingFaceModel(hf_model)
    seen = model.activations(token_rows(1, 5), ["resid_post.2", "ln_final_scale", "ln_final_normalized"])
    stream, scale = seen["resid_post.2"], seen["ln_final_scale"]
    centred = stream - stream.mean(-1, keepdim=True) if model.spec.normalization == "LN" else stream
    added = scale.square() - centred.square().mean(-1, keepdim=True)
    assert torch.allclose(added, torch.tensor(norm_eps(model), dtype=added.dtype), rtol=1e-5)
    assert norm_eps(model) == 0.05


def test_another_library_s_model_is_refused():
    with pytest.raises(UsageError, match="read from Hugging Face models"):
        norm_eps(ToyModel())
