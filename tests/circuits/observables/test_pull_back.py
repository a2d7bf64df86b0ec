"""An observable handed back along a path is the gradient of the model along that path."""

import pytest
import torch
from circuits.observables.held import FAMILIES, OBSERVABLE, WEIGHTS, held
from oracles.held_model import HeldModel
from oracles.tiny_models import token_rows

from mechlab.circuits.observables.prompt_points import prompt_points
from mechlab.circuits.observables.pull_back import head_lengths, observable_directions
from mechlab.circuits.observables.pulling import NormRules, StopPoint
from mechlab.core.errors import UnknownName, UsageError

PATHS = [
    (("head.0.1", "mlp.0", "head.2.3", "logits"), (1, 3, 3, 5)),
    (("mlp.0", "head.1.0", "mlp.1", "mlp.2", "logits"), (0, 0, 4, 4, 4)),
    (("heads.0", "heads.1", "heads.2", "logits"), (0, 2, 4, 5)),
    (("mlp.2", "logits"), (5, 5)),
]
# Parallel MLPs do not hear the heads of their own layer.
IN_PARALLEL = {
    PATHS[0][0]: (("head.0.1", "mlp.1", "head.2.3", "logits"), (1, 3, 3, 5)),
    PATHS[1][0]: (("mlp.0", "head.1.0", "mlp.2", "logits"), (0, 0, 4, 4)),
}


def by_autograd(oracle, path, positions):
    """Return the gradient at the path's source: the library's modules, one after another."""
    direction = oracle.final_slope(WEIGHTS, positions[-1])
    steps = list(zip(path, positions, positions[1:], strict=False))
    for name, here, there in reversed(steps):
        kind, *numbers = name.split(".")
        layer = int(numbers[0])
        if kind == "mlp":
            direction = oracle.mlp_slope(layer, direction, here)
        else:
            heads = list(range(4)) if kind == "heads" else [int(numbers[1])]
            direction = oracle.heads_slope(layer, heads, direction, there)[here]
    return direction


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("how", ["exact", "frozen"])
@pytest.mark.parametrize(("path", "positions"), PATHS)
def test_it_is_autograds_gradient_along_the_path(family, how, path, positions):
    found = held(family)
    path, positions = (IN_PARALLEL if found.parts.spec.parallel else {}).get(path, (path, positions))
    points = prompt_points(found.model, found.tokens, path, positions)
    own = observable_directions(found.model, OBSERVABLE, path, points, NormRules.all(how))
    wanted = by_autograd(found.oracle(how), path, positions)
    # The library's RMSNorm rounds the streams that points are taken from to float32.
    tolerance = 1e-10 if found.parts.norm("ln_final").centres else 2e-5 * float(wanted.abs().max())
    assert torch.allclose(own[-1].stream, wanted, atol=tolerance)
    assert [one.stop.name for one in own] == list(reversed(path)) and wanted.abs().max() > 1e-4


@pytest.mark.parametrize("family", ["gpt2", "neox_sequential", "llama"])
def test_with_the_stream_beside_every_part_it_is_the_whole_models_gradient(family):
    # One token attends to itself alone, so that nothing is held.
    found = held(family, n_pos=1)
    path = [name for layer in range(3) for name in (f"heads.{layer}+", f"mlp.{layer}+")]
    oracle = HeldModel(found.hf_model, token_rows(1, 1))
    streams = [one[0] for pair in zip(oracle.streams, oracle.mids, strict=False) for one in pair]
    points = {name: StopPoint(stream=stream) for name, stream in zip(path, streams, strict=True)}
    points["logits"] = StopPoint(stream=oracle.streams[-1][0])
    own = observable_directions(found.model, OBSERVABLE, (*path, "logits"), points)
    assert torch.allclose(own[-1].stream, oracle.gradient(0, WEIGHTS)[0], atol=1e-10)


def test_every_stop_tells_what_it_reads_and_how_long_that_is():
    found = held("gpt2")
    logits, head = observable_directions(found.model, OBSERVABLE, ("head.1.2", "logits"), rules=NormRules.all("cheap"))
    weights = found.parts.weights
    final = 32**0.5 * weights.ln_final_w * (weights.W_U @ WEIGHTS)
    assert torch.allclose(logits.read, weights.W_U @ WEIGHTS) and torch.allclose(logits.stream, final)
    own = weights.layers[1]
    read = own.W_V[2] @ own.W_O[2] @ final
    assert torch.allclose(head.written, final) and torch.allclose(head.read, read)
    assert torch.allclose(head.stream, 32**0.5 * own.ln1_w * read)
    assert float(head.read_norm) == pytest.approx(float(read.norm())) != pytest.approx(float(head.stream_norm))


@pytest.mark.parametrize("family", ["gpt2", "llama"])
@pytest.mark.parametrize("how", ["skip", "cheap"])
def test_lengths_of_all_heads_are_those_of_their_paths(family, how):
    found = held(family)
    rules = NormRules.all(how)
    lengths = head_lengths(found.model, OBSERVABLE, rules)
    for layer in range(3):
        for head in range(4):
            own = observable_directions(found.model, OBSERVABLE, (f"head.{layer}.{head}", "logits"), rules=rules)
            assert float(lengths[layer, head]) == pytest.approx(float(own[-1].stream_norm), rel=1e-12)
    if how == "skip":
        assert head_lengths(found.model, OBSERVABLE).equal(lengths)


def test_what_cannot_be_handed_back_is_refused():
    found = held("gpt2")
    with pytest.raises(UsageError, match=r"norm is linearised exact at no point: 'ln_final'"):
        observable_directions(found.model, OBSERVABLE, ("head.1.2", "logits"))
    with pytest.raises(UnknownName, match=r"point belongs to no stop of the path: 'mlp.1'"):
        observable_directions(found.model, OBSERVABLE, ("head.1.2", "logits"), {"mlp.1": StopPoint()})
    with pytest.raises(UsageError, match="at no point"):
        head_lengths(found.model, OBSERVABLE, NormRules())
