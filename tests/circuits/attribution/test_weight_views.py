"""Directions, pullbacks and de-embeddings are what the weights of the model and of the transcoders make of vectors."""

import pytest
import torch
from circuits.attribution.small_passes import small_pass
from oracles.frozen_gradients import FrozenByHand
from oracles.path_enumeration import EveryPath

from mechlab.circuits.attribution.weight_views import (
    de_embedding,
    feature_directions,
    ov_norms,
    position_de_embedding,
    pullback,
    through_head,
)
from mechlab.core.errors import UsageError
from mechlab.dictionaries.crosslayer import Crosslayer


def directions(n: int = 3) -> torch.Tensor:
    return torch.randn(n, 32, generator=torch.Generator().manual_seed(5), dtype=torch.float64)


@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_through_a_head_a_direction_is_what_the_head_makes_of_vectors(family):
    model, frozen, _ = small_pass(family, n_pos=2)
    by_hand = EveryPath(FrozenByHand(model.module, list(frozen.transcoders.layers), frozen.tokens[None], False))
    vectors, read = directions(3), torch.eye(32, dtype=torch.float64)
    norms = ov_norms(model, vectors)
    for layer, (gain, heads, _) in enumerate(by_hand.heads):
        centred = read - read.mean(-1, keepdim=True) if family == "gpt2" else read
        for head, (value, _, out) in enumerate(heads):
            wanted = vectors @ (centred * gain @ value @ out).T
            assert torch.allclose(through_head(model, vectors, (layer, head)), wanted, atol=1e-12)
            assert torch.allclose(norms[:, layer, head], wanted.norm(dim=1)) and wanted.abs().max() > 0.01


def test_a_pullback_is_what_codes_of_one_add():
    _, frozen, _ = small_pass("gpt2", "relu")
    found = pullback(frozen.transcoders, directions(), 1)
    assert torch.allclose(found, directions() @ frozen.transcoders.layers[1].W_dec.T)
    _, frozen, _ = small_pass("gpt2", "crosslayer_transcoder")
    own = frozen.transcoders.layers[0]
    assert isinstance(own, Crosslayer)
    one = torch.zeros(1, 24, dtype=torch.float64)
    one[0, 5] = 1
    written = own.written_by(0, one)[0]
    for before in (1, 2, 3):
        found = pullback(frozen.transcoders, directions(), 0, before=before)
        assert torch.allclose(found[:, 5], directions() @ written[:before].sum(0))


def test_a_feature_s_direction_reads_what_its_encoder_does():
    for family in ("gpt2", "llama"):
        model, frozen, _ = small_pass(family, "topk")
        found = feature_directions(model, frozen.transcoders, 1, [3, 7])
        stream = torch.randn(5, 32, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
        own = frozen.transcoders.layers[1]
        units = own.W_dec.norm(dim=1)[[3, 7]]
        read = stream - stream.mean(-1, keepdim=True) if family == "gpt2" else stream
        assert torch.allclose(stream @ found.T, read @ own.W_enc[:, [3, 7]] * units, atol=1e-12)


def test_de_embeddings_are_tokens_and_positions_along_directions():
    model, _, _ = small_pass("gpt2")
    core = model.module.transformer
    assert torch.allclose(de_embedding(model, directions()), directions() @ core.wte.weight.T)
    assert torch.allclose(position_de_embedding(model, directions()), directions() @ core.wpe.weight.T)


def test_what_is_not_there_is_refused():
    model, _, _ = small_pass("llama")
    with pytest.raises(UsageError, match="learned no positions: 'rotary'"):
        position_de_embedding(model, directions())
    with pytest.raises(UsageError, match=r"no such head: '0\.4'"):
        through_head(model, directions(), (0, 4))
