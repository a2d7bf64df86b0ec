"""A channel's ends are the singular vectors behind its score, turned to agree; tokens planted there are found."""

from dataclasses import replace

import pytest
import torch
from circuits.channels.random_heads import random_heads, with_channel
from oracles.tiny_models import tiny

from mechlab.circuits.channels.channel_map import channel_map, of_circuits
from mechlab.circuits.channels.ends import channel_ends, token_ends
from mechlab.circuits.channels.head_circuits import head_circuits
from mechlab.models.huggingface import HuggingFaceModel
from mechlab.models.processing import processed


@pytest.fixture(scope="module")
def planted():
    return of_circuits(with_channel(random_heads()[0], (0, 1), (2, 2), 2.0))


@pytest.fixture(scope="module")
def model():
    return processed(HuggingFaceModel(tiny("gpt2")))


def test_ends_are_of_length_one_and_make_the_heads_matrices(planted):
    circuits = planted.circuits
    for channel in planted.channels(40):
        ends = channel_ends(circuits, channel)
        for end in (ends.read, ends.write, ends.heard, ends.onward):
            assert float(end.norm()) == pytest.approx(1)
        moved = ends.read @ circuits.ov.matrices()[channel.sender]
        assert torch.allclose(moved, channel.value * ends.write)
        matrix = {"q": circuits.qk, "k": circuits.qk.transposed(), "v": circuits.ov}[channel.mode].matrices()
        value = circuits.readers(channel.mode).strengths[channel.receiver][channel.read_component]
        assert torch.allclose(ends.heard @ matrix[channel.receiver], value * ends.onward)
        assert ends.cosine == pytest.approx(abs(channel.cosine)) == float(ends.write @ ends.heard)


def test_the_planted_channel_s_ends_are_one_direction(planted):
    first = planted.channels(1)[0]
    ends = channel_ends(planted.circuits, first)
    assert first.name == "0.1.0 -> 2.2 q" and ends.cosine > 0.99


def test_keys_read_with_biases_have_no_partner_in_the_stream(model):
    found = channel_map(model, modes=("k",), biases=True)
    channel = found.channels(1)[0]
    assert channel_ends(found.circuits, channel).onward is None
    assert token_ends(found.circuits, model.weights(), channel).onward is None


@pytest.mark.parametrize("mode", ["q", "k", "v"])
def test_tokens_at_the_ends_are_those_a_loop_finds(model, mode):
    found = channel_map(model, modes=(mode,))
    weights, channel = model.weights(), found.channels(1)[0]
    ends, tokens = channel_ends(found.circuits, channel), token_ends(found.circuits, weights, channel)
    for number, embedding in enumerate(weights.W_E.double()):
        embedding = embedding - embedding.mean()
        cosine = float(embedding @ ends.read / embedding.norm())
        assert float(tokens.read.parts[number]) == pytest.approx(cosine, abs=1e-6)
        effect = float(ends.write @ weights.W_U[:, number].double())
        assert float(tokens.write.parts[number]) == pytest.approx(effect, abs=1e-6)
        on = effect_or_cosine(ends.onward, embedding, weights.W_U[:, number].double(), mode)
        assert float(tokens.onward.parts[number]) == pytest.approx(on, abs=1e-6)
    assert tokens.read.n_drawn == tokens.write.n_drawn == 200


def effect_or_cosine(onward, embedding, unembedding, mode):
    return float(onward @ (unembedding if mode == "v" else embedding / embedding.norm()))


def test_logit_effects_are_those_of_the_model_s_own_final_norm_and_unembedding(model):
    found = channel_map(model, modes=("v",))
    channel = found.channels(1)[0]
    ends, tokens = channel_ends(found.circuits, channel), token_ends(found.circuits, model.weights(), channel)
    state = torch.randn(1, 1, model.spec.d_model, generator=torch.Generator().manual_seed(0)) * 30
    logits = []
    for step in (0.0, 1.0):
        with model.edit({f"resid_post.{model.spec.n_layers - 1}": lambda _, s=step: state + s * ends.write.float()}):
            logits.append(model.logits(torch.tensor([[3]]))[0, 0])
    change = (logits[1] - logits[0]).double()
    assert torch.corrcoef(torch.stack([change - change.mean(), tokens.write.parts]))[0, 1] > 0.99


def test_a_token_that_the_sender_reads_and_one_that_it_raises_are_the_first(model):
    circuits, weights = head_circuits(model), model.weights()
    channel = channel_map(model).channels(1)[0]
    ends = channel_ends(circuits, channel)
    embedding, unembedding = weights.W_E.clone(), weights.W_U.clone()
    embedding[11] += 40 * ends.read.float()
    embedding[12] -= 40 * ends.read.float()
    unembedding[:, 13] += 40 * ends.write.float()
    unembedding[:, 14] -= 40 * ends.write.float()
    tokens = token_ends(circuits, replace(weights, W_E=embedding, W_U=unembedding), channel)
    assert (tokens.read.most(1)[0].number, tokens.read.least(1)[0].number) == (11, 12)
    assert (tokens.write.most(1)[0].number, tokens.write.least(1)[0].number) == (13, 14)
    assert tokens.read.p_largest < 1e-12 and tokens.write.p_largest < 1e-12 and tokens.read.p_drawn < 0.01


def test_a_seed_gives_the_same_draws_and_another_others(model):
    found = channel_map(model, modes=("q",))
    counts = [
        token_ends(found.circuits, model.weights(), found.channels(1)[0], seed=seed).read.n_beyond
        for seed in (0, 0, 1, 2)
    ]
    assert counts[0] == counts[1] and len(set(counts)) > 1
