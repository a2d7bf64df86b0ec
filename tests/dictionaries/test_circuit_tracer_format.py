"""A layer in circuit-tracer's layout computes what its forward says, written out by hand, and reads back the same."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from mechlab.core.errors import ArtifactError
from mechlab.dictionaries.circuit_tracer_format import from_circuit_tracer, to_circuit_tracer
from mechlab.dictionaries.dictionary import Dictionary

HOOKS = ("ln2.hook_normalized", "hook_mlp_out")
KINDS = ("relu", "jumprelu", "batchtopk", "topk")
Worn = Callable[..., Dictionary]


def by_hand(layer: dict[str, Tensor], config: dict, x: Tensor) -> tuple[Tensor, Tensor]:
    """Return codes and output as circuit-tracer computes them: linear, activation, linear, skip."""
    pre = torch.einsum("bi,si->bs", x, layer["W_enc"]) + layer["b_enc"]
    if "activation_function.threshold" in layer:
        codes = pre * (pre > layer["activation_function.threshold"])
    elif config.get("activation") == "topk":
        codes = (pre * (pre >= pre.topk(config["k"], dim=1).values[:, -1:])).relu()
    else:
        codes = pre.relu()
    out = torch.einsum("bs,so->bo", codes, layer["W_dec"]) + layer["b_dec"]
    return codes, out + torch.einsum("bi,oi->bo", x, layer["W_skip"]) if "W_skip" in layer else out


@pytest.mark.parametrize("skip", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_computes_the_same_and_reads_back(kind: str, skip: bool, worn: Worn, vectors: Tensor) -> None:
    dictionary = worn(kind, d_out=12, skip=skip)
    config, (layer, _) = to_circuit_tracer([dictionary, dictionary], HOOKS, "some/model")
    assert config["model_kind"] == "transcoder_set" and config["model_name"] == "some/model"
    assert (config["feature_input_hook"], config["feature_output_hook"]) == HOOKS
    assert (layer["W_enc"].shape, layer["W_dec"].shape) == ((40, 12), (40, 12))
    assert ("W_skip" in layer) is skip
    again = from_circuit_tracer(layer, config)
    with torch.no_grad():
        codes, output = by_hand(layer, config, vectors)
        torch.testing.assert_close(output, dictionary(vectors), rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(again.encode(vectors), codes, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(again(vectors), output, rtol=1e-5, atol=1e-5)
    assert (codes > 0).any() and (codes == 0).any()


def test_what_it_has_no_class_for_is_refused(worn: Worn) -> None:
    with pytest.raises(ArtifactError, match="no such kind: 'gated'"):
        to_circuit_tracer([worn("gated", d_out=12)], HOOKS, "")
    with pytest.raises(ArtifactError, match="transcoders only: 'relu autoencoder'"):
        to_circuit_tracer([worn("relu")], HOOKS, "")
    with pytest.raises(ArtifactError, match="differ in kind or size"):
        to_circuit_tracer([worn("relu", d_out=12), worn("jumprelu", d_out=12)], HOOKS, "")
    with pytest.raises(ArtifactError, match="differ in kind or size"):
        to_circuit_tracer([worn("relu", d_out=12), worn("relu", d_out=11)], HOOKS, "")


def test_a_layer_without_a_tensor_is_named(worn: Worn) -> None:
    _, (layer,) = to_circuit_tracer([worn("relu", d_out=12)], HOOKS, "")
    del layer["b_dec"]
    with pytest.raises(ArtifactError, match="layer lacks: 'b_dec'"):
        from_circuit_tracer(layer)
