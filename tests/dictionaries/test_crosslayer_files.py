"""circuit-tracer's files: what they hold computes the same by its own definition, and comes back."""

import pytest
import torch
from torch import Tensor

from mechlab.core.errors import ArtifactError, UsageError
from mechlab.dictionaries import KINDS
from mechlab.dictionaries.crosslayer import Crosslayer
from mechlab.dictionaries.crosslayer_files import Files, config_of_files, from_files, to_files

N, D_IN, D_OUT, FEATURES = 3, 4, 5, 6
KINDS_WITH_THRESHOLDS = ["crosslayer_transcoder", "batchtopk_crosslayer_transcoder"]


def worn(kind: str) -> Crosslayer:
    config = KINDS[kind].Config
    few = {"k": 2} if "k" in config.model_fields else {}
    made = KINDS[kind](config.of_layers(N, d_in=D_IN, d_sae=FEATURES, d_out=D_OUT, **few))
    draw = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for tensor in (*made.parameters(), *made.buffers()):
            tensor.add_(torch.rand(tensor.shape, generator=draw, dtype=tensor.dtype))
    return made


def traced(files: Files, x: Tensor) -> tuple[Tensor, Tensor]:
    """Return codes [layer, token, feature] and outputs [layer, token, width] as circuit-tracer defines them."""
    codes, outputs = [], torch.zeros(N, len(x), D_OUT)
    for layer in range(N):
        own = files[f"W_enc_{layer}.safetensors"]
        pre = x[:, layer * D_IN : (layer + 1) * D_IN] @ own[f"W_enc_{layer}"].T + own[f"b_enc_{layer}"]
        codes.append(pre * (pre > own[f"threshold_{layer}"]))
        outputs[layer] += own[f"b_dec_{layer}"]
        for later in range(layer, N):
            outputs[later] += codes[-1] @ files[f"W_dec_{layer}.safetensors"][f"W_dec_{layer}"][:, later - layer]
    return torch.stack(codes), outputs


@pytest.mark.parametrize("kind", KINDS_WITH_THRESHOLDS)
def test_the_files_compute_what_the_dictionary_does(kind: str) -> None:
    dictionary, x = worn(kind), torch.randn(30, N * D_IN, generator=torch.Generator().manual_seed(2))
    files = to_files(dictionary)
    assert sorted(files) == sorted(f"W_{side}_{layer}.safetensors" for side in ("enc", "dec") for layer in range(N))
    assert files["W_dec_1.safetensors"]["W_dec_1"].shape == (FEATURES, N - 1, D_OUT)
    codes, outputs = traced(files, x)
    assert (codes > 0).any() and (codes == 0).any()
    torch.testing.assert_close(dictionary.layer_codes(dictionary.encode(x)).transpose(0, 1), codes)
    torch.testing.assert_close(dictionary(x).unflatten(1, (N, D_OUT)).transpose(0, 1), outputs)
    read = from_files(files)
    torch.testing.assert_close(read(x), dictionary(x))
    again = to_files(read)
    assert all(torch.equal(again[file][name], value) for file in files for name, value in files[file].items())


def test_writing_changes_nothing_and_copies() -> None:
    dictionary = worn("batchtopk_crosslayer_transcoder")
    before = {name: value.clone() for name, value in dictionary.state_dict().items()}
    for tensors in to_files(dictionary).values():
        for value in tensors.values():
            value.zero_()
    assert all(torch.equal(value, before[name]) for name, value in dictionary.state_dict().items())


def test_files_without_thresholds_are_rectified() -> None:
    files = to_files(worn("crosslayer_transcoder"))
    for layer in range(N):
        del files[f"W_enc_{layer}.safetensors"][f"threshold_{layer}"]
    read, x = from_files(files), torch.randn(30, N * D_IN)
    torch.testing.assert_close(read.encode(x), read.pre_activations(x).relu())


def test_the_config_says_what_it_is() -> None:
    assert config_of_files("gpt2") == {
        "model_name": "gpt2",
        "model_kind": "cross_layer_transcoder",
        "feature_input_hook": "hook_resid_mid",
        "feature_output_hook": "hook_mlp_out",
    }


def test_what_the_layout_cannot_hold_or_lacks_is_refused() -> None:
    with pytest.raises(UsageError, match=r"'topk_crosslayer_transcoder'. circuit-tracer reads ReLU and JumpReLU"):
        to_files(worn("topk_crosslayer_transcoder"))
    whole = to_files(worn("crosslayer_transcoder"))
    with pytest.raises(ArtifactError, match="tensor is missing: 'W_dec_2'"):
        from_files({name: value for name, value in whole.items() if name != "W_dec_2.safetensors"})
    with pytest.raises(ArtifactError, match="tensor is missing: 'W_enc_0'"):
        from_files({})
    with pytest.raises(ArtifactError, match=r"does not fit the others: 'W_dec_1 has shape \[6, 15\], not \[6, 10\]"):
        from_files({**whole, "W_dec_1.safetensors": {"W_dec_1": torch.zeros(FEATURES, N, D_OUT)}})
    with pytest.raises(ArtifactError, match="has a skip"):
        from_files({**whole, "x": {"W_skip_0": torch.zeros(D_IN, D_IN)}})
    encoder = {**whole["W_enc_0.safetensors"], "threshold_0": torch.full((FEATURES,), -1.0)}
    with pytest.raises(ArtifactError, match="a threshold is negative: -1"):
        from_files({**whole, "W_enc_0.safetensors": encoder})
