"""The lens is the logits' slope along directions that leave the last norm's divisor as it is."""

import pytest
import torch
from oracles.tiny_models import D_MODEL, tiny

from mechlab.models.huggingface import HuggingFaceModel
from mechlab.models.logit_lens import logit_lens


@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_it_is_the_slope_of_the_logits_where_the_divisor_stays(family):
    hf_model = tiny(family).double()
    stream, *drawn = torch.randn(4, D_MODEL, generator=torch.Generator().manual_seed(0)).double()
    centred = stream - stream.mean() if family == "gpt2" else stream
    directions = torch.stack([one - one @ centred / centred.square().sum() * centred for one in drawn])
    norm = hf_model.transformer.ln_f if family == "gpt2" else hf_model.model.norm
    step = 1e-4  # RMS norms of the library round to float32
    logits = [hf_model.lm_head(norm(stream + sign * step * directions).double()) for sign in (1, -1)]
    slope = (logits[0] - logits[1]) / (2 * step)
    found = logit_lens(HuggingFaceModel(hf_model), directions) / centred.square().mean().sqrt()
    torch.testing.assert_close(found, slope, atol=1e-2 if family == "llama" else 1e-4, rtol=0)
