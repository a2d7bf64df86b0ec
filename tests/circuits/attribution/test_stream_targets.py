"""A direction of the stream is what the model's stream goes along it, and is made up of sources and biases."""

import pytest
import torch
from circuits.attribution.small_passes import small_pass

from mechlab.circuits.attribution.rows import attributed
from mechlab.circuits.attribution.stream_targets import stream_targets
from mechlab.core.errors import UsageError


def directions(n: int = 2) -> torch.Tensor:
    return torch.randn(n, 32, generator=torch.Generator().manual_seed(5), dtype=torch.float64)


@pytest.mark.parametrize("bos", [False, True])
@pytest.mark.parametrize(
    ("family", "kind"),
    [("gpt2", "relu with a skip"), ("llama", "crosslayer_transcoder"), ("neox_parallel", "topk"), ("gemma2", "relu")],
)
def test_rows_and_biases_sum_to_what_the_stream_is(family, kind, bos):
    model, frozen, sources = small_pass(family, kind, bos=bos)
    kinds = ["resid_pre", "resid_post", *([] if model.spec.parallel else ["resid_mid"])]
    for place in (f"{one}.{layer}" for one in kinds for layer in range(model.spec.n_layers)):
        targets = stream_targets(frozen, place, directions(), (-1, 2), sources=sources)
        missing = attributed(frozen, sources, targets).missing(targets)
        assert (missing.abs() / (1 + targets.values.abs())).max() < 1e-10, place
        stream = model.activations(frozen.tokens[None], [place])[place][0, [-1, 2]]
        wanted = (directions() @ stream.T).flatten()
        exact = 1e-10 if model.spec.normalization == "LN" else 1e-5  # a model's own RMS norm rounds to float32
        assert torch.allclose(targets.values, wanted, atol=exact), place


def test_the_stream_before_a_layer_s_heads_knows_nothing_of_them():
    _, frozen, sources = small_pass("gpt2")
    before = attributed(frozen, sources, stream_targets(frozen, "resid_pre.0", directions()))
    assert not before.effects[:, sources.starts["tokens"] : sources.starts["positions"] - 1].any()
    behind = attributed(frozen, sources, stream_targets(frozen, "resid_mid.0", directions()))
    assert behind.effects[:, sources.starts["tokens"] : sources.starts["positions"] - 1].all()


def test_a_place_outside_the_stream_and_a_position_that_is_not_there_are_refused():
    _, frozen, _ = small_pass("gpt2")
    with pytest.raises(UsageError, match=r"not in the residual stream: .mlp_out\.1"):
        stream_targets(frozen, "mlp_out.1", directions())
    with pytest.raises(UsageError, match="no such position: 7"):
        stream_targets(frozen, "resid_pre.1", directions(), (7,))
