"""Scores are what brute force finds, whole ones those of TransformerLens, and a planted channel comes first."""

import itertools

import pytest
import torch
from circuits.channels.random_heads import random_heads, with_channel
from oracles.tiny_models import hooked_transformer, tiny

from mechlab.circuits.channels.head_circuits import head_circuits
from mechlab.circuits.channels.nulls import surprises
from mechlab.circuits.channels.scores import channel_scores, component_pairs
from mechlab.models.huggingface import HuggingFaceModel
from mechlab.models.sites import MODES


@pytest.mark.parametrize("mode", MODES)
def test_every_score_is_what_the_full_matrices_give_in_float64(mode):
    circuits, weights = random_heads()
    found = channel_scores(circuits, mode)
    W_V, W_O, W_Q, W_K = (weights[name].double() for name in ("W_V", "W_O", "W_Q", "W_K"))
    ov, qk = W_V @ W_O, W_Q @ W_K.mT
    reads = {"q": qk, "k": qk.mT, "v": ov}[mode]
    n_layers, n_heads, k = circuits.ov.values.shape
    for a, h, b, g in itertools.product(range(n_layers), range(n_heads), range(n_layers), range(n_heads)):
        if b <= a:
            assert found.component[a, h, :, b, g].isnan().all() and found.whole[a, h, b, g].isnan()
            continue
        M, size = reads[b, g], reads[b, g].norm()
        _, _, Vh = torch.linalg.svd(ov[a, h])
        U = torch.linalg.svd(M)[0]
        assert torch.allclose(found.component[a, h, :, b, g].double(), (Vh[:k] @ M).norm(dim=-1) / size, atol=1e-6)
        wanted = (ov[a, h] @ U[:, :k]).norm(dim=0) / ov[a, h].norm()
        assert torch.allclose(found.receiver[a, h, b, g].double(), wanted, atol=1e-6)
        whole = (ov[a, h] @ M).norm() / ov[a, h].norm() / size
        assert abs(found.whole[a, h, b, g] - whole) < 1e-6
        pairs = component_pairs(circuits, (a, h), (b, g), mode)
        assert torch.allclose(pairs.abs(), (Vh[:k] @ U[:, :k]).abs(), atol=1e-9)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("family", ["gpt2", "neox_parallel", "llama"])
def test_whole_scores_are_those_of_transformerlens(family, mode):
    own = tiny(family)
    folding = {"fold_ln": True, "center_writing_weights": family != "llama"}
    reference = hooked_transformer(own, **folding).all_composition_scores(mode.upper())
    found = channel_scores(head_circuits(HuggingFaceModel(own)), mode).whole
    there = ~found.isnan()
    assert int(there.sum()) == 3 * 4 * 4 and torch.allclose(found[there], reference[there], atol=1e-5)


def test_pairs_that_cannot_talk_can_be_scored_all_the_same():
    circuits, _ = random_heads()
    every, some = (channel_scores(circuits, "q", only_later=only) for only in (False, True))
    assert not every.component.isnan().any()
    there = ~some.component.isnan()
    assert torch.allclose(every.component[there], some.component[there], atol=1e-6)


def test_a_head_that_reads_nothing_is_scored_zero():
    circuits, _ = random_heads()
    circuits.qk.values[2, 1] = 0
    assert not channel_scores(circuits, "q").component[0, :, :, 2, 1].any()


def test_a_planted_channel_ranks_first_where_the_whole_matrix_score_is_lost():
    circuits, _ = random_heads(n_layers=6, n_heads=6, d_model=192, d_head=16)
    planted = with_channel(circuits, (1, 2), (4, 3), strength=0.35)
    scores = channel_scores(planted, "q", only_later=False)
    z = surprises(planted, [scores])[0].z
    place = torch.unravel_index(z.argmax(), z.shape)
    assert tuple(int(part) for part in (place[0], place[1], *place[3:])) == (1, 2, 4, 3)
    assert int((scores.whole > scores.whole[1, 2, 4, 3]).sum()) > 20


@pytest.mark.slow
def test_a_channel_of_a_quarter_of_the_largest_value_ranks_first_of_all_in_the_shape_of_gpt2():
    circuits, _ = random_heads(n_layers=12, n_heads=12, d_model=768, d_head=64)
    planted = with_channel(circuits, (2, 3), (7, 5), strength=0.25)
    scores = channel_scores(planted, "q", only_later=False)
    z = surprises(planted, [scores])[0].z
    assert z.numel() == 1_327_104
    place = torch.unravel_index(z.argmax(), z.shape)
    assert tuple(int(part) for part in (place[0], place[1], *place[3:])) == (2, 3, 7, 5)
    assert int((scores.whole > scores.whole[2, 3, 7, 5]).sum()) > 1000
