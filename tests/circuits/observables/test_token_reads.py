"""What heads read of embeddings is what the library's own modules make of a token that is looked at alone."""

import pytest
import torch
from circuits.observables.held import OBSERVABLE, WEIGHTS, held

from mechlab.circuits.observables.token_reads import token_reads
from mechlab.core.errors import UsageError


def written_by_gpt2(hf_model, layer: int) -> torch.Tensor:
    """Return what each head writes of each token's value, by the library's modules."""
    block, d = hf_model.transformer.h[layer], hf_model.config.n_embd
    values = block.attn.c_attn(block.ln_1(hf_model.transformer.wte.weight))[:, 2 * d :].unflatten(-1, (4, d // 4))
    return torch.einsum("vhe,hed->hvd", values, block.attn.c_proj.weight.unflatten(0, (4, d // 4)))


def written_by_llama(hf_model, layer: int) -> torch.Tensor:
    block = hf_model.model.layers[layer]
    shared = block.self_attn.v_proj(block.input_layernorm(hf_model.model.embed_tokens.weight)).unflatten(-1, (2, -1))
    values = shared.repeat_interleave(2, dim=1)
    return torch.einsum("vhe,dhe->hvd", values, block.self_attn.o_proj.weight.unflatten(1, (4, -1)))


@pytest.mark.parametrize(("family", "written"), [("gpt2", written_by_gpt2), ("llama", written_by_llama)])
@pytest.mark.parametrize("layer", [0, 2])
def test_it_is_what_modules_write_of_each_token_along_the_observable_less_the_mean_token(family, written, layer):
    found = held(family)
    own, last = written(found.hf_model, layer), found.hf_model.get_output_embeddings().weight.T @ WEIGHTS
    gain = (found.hf_model.transformer.ln_f if family == "gpt2" else found.hf_model.model.norm).weight
    for final, along in (("cheap", 32**0.5 * gain * last), ("skip", last)):
        wanted = own @ along
        wanted = wanted - wanted.mean(1, keepdim=True)
        # The library's RMSNorm rounds to float32.
        tolerance = 1e-10 if family == "gpt2" else 1e-5 * float(wanted.abs().max())
        assert torch.allclose(token_reads(found.model, OBSERVABLE, layer, final), wanted, atol=tolerance)
        assert float(wanted.abs().max()) > 0.01


def test_layers_that_are_not_there_and_norms_without_a_point_are_refused():
    found = held("gpt2")
    with pytest.raises(UsageError, match=r"no such layer: 3. Layers are 0..2"):
        token_reads(found.model, OBSERVABLE, 3)
    with pytest.raises(UsageError, match="no such layer: -1"):
        token_reads(found.model, OBSERVABLE, -1)
    with pytest.raises(UsageError, match="linearised exact at no point"):
        token_reads(found.model, OBSERVABLE, 1, "exact")
