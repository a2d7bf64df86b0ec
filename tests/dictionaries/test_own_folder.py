"""A kind without a SAELens class still has its folder: every parameter and buffer, under its own name."""

import torch

from mechlab.dictionaries.crosscoder import BatchTopKCrosscoder, BatchTopKCrosscoderConfig
from mechlab.dictionaries.saelens_format import from_saelens, to_saelens


def test_parameters_and_buffers_come_back_as_they_were() -> None:
    made = BatchTopKCrosscoder(BatchTopKCrosscoderConfig(d_in=6, d_sae=10, n_layers=2, k=3))
    with torch.no_grad():
        made.topk_threshold.add_(0.1234567890123)
        made.b_enc.normal_(generator=torch.Generator().manual_seed(0))
    cfg, tensors = to_saelens(made)
    assert cfg["architecture"] == "batchtopk_crosscoder"
    read = from_saelens(cfg, tensors)
    assert isinstance(read, BatchTopKCrosscoder) and read.config == made.config.model_copy(
        update={"apply_b_dec_to_input": True}
    )
    for name, value in made.state_dict().items():
        assert torch.equal(read.state_dict()[name], value), name
