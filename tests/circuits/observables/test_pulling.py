"""Directions handed back through each part are autograd's gradients of the library's own modules."""

import pytest
import torch
from circuits.observables.held import FAMILIES, OBSERVABLE, WEIGHTS, held
from oracles.tiny_models import tiny

from mechlab.circuits.observables.parts import parts_of
from mechlab.circuits.observables.pulling import NOWHERE, NormRules, StopPoint, pulled_through
from mechlab.circuits.observables.stops import Stop
from mechlab.core.errors import UsageError
from mechlab.models.huggingface import HuggingFaceModel

N_HEADS, HERE, THERE = 4, 2, 4


def drawn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def pulled(found, name, direction, point, how):
    return pulled_through(found.parts, direction, Stop.parse(name, found.parts.spec), point, NormRules.all(how))


@pytest.mark.parametrize("family", FAMILIES)
def test_the_oracle_is_the_model(family):
    found = held(family)
    assert torch.allclose(found.exact.values, found.hf_model(found.tokens).logits[0], atol=1e-5)
    assert torch.allclose(found.exact.values, found.frozen.values, atol=1e-12)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("how", ["exact", "frozen"])
@pytest.mark.parametrize("layer", [0, 2])
def test_heads_hand_back_autograds_gradient(family, how, layer):
    found, direction = held(family), drawn(32)
    oracle = found.oracle(how)
    looks, stream = oracle.patterns[layer][:, THERE, HERE], oracle.streams[layer][HERE]
    for head in range(N_HEADS):
        wanted = oracle.heads_slope(layer, [head], direction, THERE)[HERE]
        point = StopPoint(stream=stream, attention=looks[head, None])
        assert torch.allclose(pulled(found, f"head.{layer}.{head}", direction, point, how).stream, wanted, atol=1e-11)
    together = oracle.heads_slope(layer, list(range(N_HEADS)), direction, THERE)[HERE]
    point = StopPoint(stream=stream, attention=looks)
    assert torch.allclose(pulled(found, f"heads.{layer}", direction, point, how).stream, together, atol=1e-11)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("how", ["exact", "frozen"])
@pytest.mark.parametrize("layer", [0, 2])
def test_mlps_hand_back_autograds_gradient(family, how, layer):
    found, direction = held(family), drawn(32)
    oracle = found.oracle(how)
    wanted = oracle.mlp_slope(layer, direction, HERE)
    point = StopPoint(stream=oracle.mids[layer][HERE])
    own = pulled(found, f"mlp.{layer}", direction, point, how)
    assert torch.allclose(own.stream, wanted, atol=1e-11)
    assert torch.allclose(pulled(found, f"mlp.{layer}+", direction, point, how).stream, wanted + direction, atol=1e-11)
    assert own.crossing is None and own.written is direction


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("how", ["exact", "frozen"])
def test_the_logits_hand_back_autograds_gradient(family, how):
    found, oracle = held(family), held(family).oracle(how)
    direction = OBSERVABLE.direction(found.parts.weights)
    own = pulled(found, "logits", direction, StopPoint(stream=oracle.streams[-1][HERE]), how)
    assert torch.allclose(own.stream, oracle.final_slope(WEIGHTS, HERE), atol=1e-11)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("how", ["exact", "frozen"])
def test_all_paths_together_are_the_gradient_of_the_whole_model(family, how):
    found, oracle, last = held(family), held(family).oracle(how), 5
    end = StopPoint(stream=oracle.streams[-1][last])
    behind = torch.zeros(6, 32, dtype=torch.float64)
    behind[last] = pulled(found, "logits", OBSERVABLE.direction(found.parts.weights), end, how).stream
    for layer in (2, 1, 0):
        through_mlp = torch.stack(
            [
                pulled(found, f"mlp.{layer}", behind[p], StopPoint(stream=oracle.mids[layer][p]), how).stream
                for p in range(6)
            ]
        )
        mid = behind if found.parts.spec.parallel else behind + through_mlp
        through_heads = torch.zeros_like(behind)
        for there in range(6):
            for here in range(there + 1):
                point = StopPoint(oracle.streams[layer][here], None, oracle.patterns[layer][:, there, here])
                through_heads[here] += pulled(found, f"heads.{layer}", mid[there], point, how).stream
        behind = mid + through_heads + (through_mlp if found.parts.spec.parallel else 0)
    assert torch.allclose(behind, oracle.gradient(0, WEIGHTS), atol=1e-10)
    assert behind.abs().max() > 1


@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_an_mlp_is_linearised_where_it_crosses_zero_between_two_points(family):
    found, direction = held(family), drawn(32)
    mlp, norm = found.parts.mlp(1), found.parts.norm("ln2.1")
    points = drawn(20, 32, seed=3)
    values = mlp(norm(points)) @ direction
    between = (points[values.argmin()], points[values.argmax()])
    own = pulled(found, "mlp.1", direction, StopPoint(between=between), "exact")
    where = own.crossing.points[0]
    assert own.crossing.crosses.all() and abs(float(mlp(norm(where)) @ direction)) < 1e-11
    assert torch.allclose(own.stream, found.exact.mlp_slope(1, direction, HERE, where), atol=1e-10)
    with pytest.raises(UsageError, match="looked for along one direction at a time"):
        pulled(found, "mlp.1", drawn(2, 32), StopPoint(between=between), "exact")


@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_heads_read_through_the_first_norm_and_mlps_through_the_second(family):
    # The published code had them exchanged.
    found, direction = held(family), drawn(32)
    changed = tiny(family).double()
    core = changed.transformer.h[1].ln_2 if family == "gpt2" else changed.model.layers[1].post_attention_layernorm
    core.weight.mul_(3.0)
    other, point = parts_of(HuggingFaceModel(changed)), StopPoint(stream=drawn(32, seed=1))
    for name, moves in (("head.1.2", False), ("heads.1", False), ("mlp.1", True)):
        stop = Stop.parse(name, found.parts.spec)
        before, after = (pulled_through(parts, direction, stop, point).stream for parts in (found.parts, other))
        assert torch.equal(before, after) != moves


def test_many_directions_are_handed_back_at_once():
    found, directions, streams = held("llama"), drawn(3, 32), drawn(3, 32, seed=1)
    looks = torch.rand(3, 1, dtype=torch.float64)
    for name, attention in (("head.1.2", looks), ("mlp.1", None), ("logits", None)):
        many = pulled(found, name, directions, StopPoint(streams, None, attention), "exact")
        for row in range(3):
            point = StopPoint(streams[row], None, None if attention is None else attention[row])
            one = pulled(found, name, directions[row], point, "exact")
            assert torch.allclose(many.stream[row], one.stream, atol=1e-12)
        assert many.read_norm.shape == (3,) and torch.allclose(many.stream_norm[0], many.stream[0].norm())


def test_an_mlp_at_no_point_is_refused():
    found = held("gpt2")
    with pytest.raises(UsageError, match=r"MLP is linearised at no point: 'mlp.1'"):
        pulled(found, "mlp.1", drawn(32), NOWHERE, "skip")
