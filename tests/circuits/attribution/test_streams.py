"""The frozen pass run forward is the model's own stream, and sources and biases make all of it up."""

import pytest
import torch
from circuits.attribution.small_passes import small_pass

from mechlab.circuits.attribution.rows import attributed
from mechlab.circuits.attribution.stream_targets import stream_targets
from mechlab.circuits.attribution.streams import streams, streams_of

CASES = [
    ("gpt2", "relu with a skip", False),
    ("gpt2", "crosslayer_transcoder", True),
    ("llama", "topk", True),
    ("neox_parallel", "relu with a skip", True),
    ("gemma2", "relu", False),
]


@pytest.mark.parametrize(("family", "kind", "bos"), CASES)
def test_streams_are_those_of_the_model(family, kind, bos):
    model, frozen, sources = small_pass(family, kind, bos=bos)
    found, n = streams(frozen, sources), model.spec.n_layers
    names = [f"resid_pre.{layer}" for layer in range(n)]
    seen = model.activations(frozen.tokens[None], [*names, f"resid_post.{n - 1}"])
    exact = 1e-10 if model.spec.normalization == "LN" else 1e-5  # a model's own RMS norm rounds to float32
    for stream, name in zip(found.pre, seen, strict=True):
        assert torch.allclose(stream, seen[name], atol=exact), name
    for layer, mid in enumerate(found.mid):
        divisor = frozen.layers[layer].read_divisor
        assert divisor is not None
        read = frozen.centred(mid[0]) / divisor
        assert torch.allclose(read, frozen.layers[layer].read, atol=1e-10)
    assert torch.allclose(frozen.centred(found.pre[-1][0]) / frozen.ln_final, frozen.final, atol=exact)


@pytest.mark.parametrize(("family", "kind", "bos"), CASES)
def test_what_a_source_adds_along_a_direction_is_its_effect(family, kind, bos):
    _, frozen, sources = small_pass(family, kind, bos=bos)
    columns = torch.arange(0, sources.n_columns, 3)
    found = streams_of(frozen, sources, columns)
    draw = torch.Generator().manual_seed(1)
    directions = torch.randn(3, frozen.spec.d_model, generator=draw, dtype=torch.float64)
    for layer in range(1, frozen.spec.n_layers + 1):
        targets = stream_targets(frozen, f"resid_post.{layer - 1}", directions, (-1, 3))
        rows = attributed(frozen, sources, targets)
        ours = torch.einsum("cnd,nd->nc", found.pre[layer][:, targets.positions], targets.vectors)
        assert torch.allclose(ours, rows.effects[:, columns], atol=1e-10) and rows.effects.abs().max() > 0.1


def test_without_spreading_a_source_is_where_it_wrote():
    _, frozen, sources = small_pass("gpt2")
    column = sources.starts["errors"] + frozen.n_pos + 2
    found = streams_of(frozen, sources, torch.tensor([column, 0]), spread=False)
    assert not found.pre[1][0].any() and torch.equal(found.pre[2][0, 2], sources.errors[1, 2])
    assert torch.equal(found.pre[3][0], found.pre[2][0]) and found.pre[2][0].any(-1).sum() == 1
    written = sources.written[0]
    assert torch.equal(found.pre[1][1, sources.position[0]], written.vectors[written.columns == 0][0])
