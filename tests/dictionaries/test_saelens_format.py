"""SAELens itself reads what we write and writes what we read."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from sae_lens import SAE, TrainingSAE
from sae_lens.registry import (
    SAE_CLASS_REGISTRY,
    SAE_TRAINING_CLASS_REGISTRY,
    get_sae_class,
    get_sae_training_class,
)
from safetensors.torch import load_file, save_file
from torch import Tensor

from mechlab.core.errors import ArtifactError, UsageError
from mechlab.dictionaries import KINDS
from mechlab.dictionaries.dictionary import Dictionary
from mechlab.dictionaries.saelens_format import from_saelens, to_saelens

KNOWN_TO_SAELENS = SAE_CLASS_REGISTRY.keys() | SAE_TRAINING_CLASS_REGISTRY.keys()
WITHOUT_SKIP = [kind for kind in KINDS if "crosslayer" in kind]
SHARED_KINDS = [kind for kind in KINDS if KNOWN_TO_SAELENS & set(KINDS[kind].saelens_architectures)]


def write(folder: Path, cfg: dict[str, Any], tensors: dict[str, Tensor]) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "cfg.json").write_text(json.dumps(cfg))
    save_file(tensors, folder / "sae_weights.safetensors")


def read(folder: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    return json.loads((folder / "cfg.json").read_text()), load_file(folder / "sae_weights.safetensors")


def assert_same_function(ours: Dictionary, theirs: SAE[Any], x: Tensor) -> None:
    with torch.no_grad():
        codes = ours.encode(x)
        assert (codes > 0).any() and (codes == 0).any()
        torch.testing.assert_close(codes, theirs.encode(x), rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(ours(x), theirs(x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("centred", [True, False])
@pytest.mark.parametrize("kind", SHARED_KINDS)
def test_saelens_loads_our_folder_and_computes_the_same(
    kind: str, centred: bool, worn: Callable[..., Dictionary], vectors: Tensor, tmp_path: Path
) -> None:
    dictionary = worn(kind, apply_b_dec_to_input=centred)
    cfg, tensors = to_saelens(dictionary, {"hook_name": "blocks.2.hook_resid_post", "model_name": "tales"})
    write(tmp_path, cfg, tensors)
    theirs = SAE.load_from_disk(tmp_path)
    assert theirs.cfg.metadata.hook_name == "blocks.2.hook_resid_post"
    assert_same_function(dictionary, theirs, vectors)


@pytest.mark.parametrize("kind", ["topk", "batchtopk", "matryoshka"])
def test_saelens_agrees_when_codes_are_not_measured_by_decoder_norm(
    kind: str, worn: Callable[..., Dictionary], vectors: Tensor, tmp_path: Path
) -> None:
    dictionary = worn(kind, rescale_acts_by_decoder_norm=False)
    write(tmp_path, *to_saelens(dictionary))
    assert_same_function(dictionary, SAE.load_from_disk(tmp_path), vectors)


@pytest.mark.parametrize("skip", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_a_transcoder_is_saved_as_one(
    kind: str, skip: bool, worn: Callable[..., Dictionary], vectors: Tensor, tmp_path: Path
) -> None:
    dictionary = worn(kind, d_out=8, skip=skip and kind not in WITHOUT_SKIP)
    cfg, tensors = to_saelens(dictionary)
    assert cfg["d_out"] == 8
    assert cfg["architecture"].endswith("skip_transcoder" if dictionary.config.skip else "transcoder")
    if cfg["architecture"] in KNOWN_TO_SAELENS:
        write(tmp_path, cfg, tensors)
        assert_same_function(dictionary, SAE.load_from_disk(tmp_path), vectors)
    torch.testing.assert_close(from_saelens(cfg, tensors)(vectors), dictionary(vectors))


def random_state(sae: SAE[Any]) -> None:
    draw = torch.Generator().manual_seed(11)
    state = {}
    for name, value in sae.state_dict().items():
        make = torch.rand if name == "threshold" else torch.randn
        state[name] = make(value.shape, generator=draw)
    if "topk_threshold" in state:
        state["topk_threshold"] = torch.tensor(0.9, dtype=torch.float64)
    sae.load_state_dict(state)


@pytest.mark.parametrize(
    ("architecture", "options"),
    [
        ("standard", {}),
        ("standard", {"apply_b_dec_to_input": False}),
        ("topk", {"k": 5}),
        ("topk", {"k": 5, "rescale_acts_by_decoder_norm": True}),
        ("jumprelu", {}),
        ("gated", {}),
        ("gated", {"apply_b_dec_to_input": False}),
        ("transcoder", {"d_out": 9, "apply_b_dec_to_input": False}),
        ("jumprelu_transcoder", {"d_out": 9, "apply_b_dec_to_input": False}),
        ("skip_transcoder", {"d_out": 9, "apply_b_dec_to_input": False}),
        ("jumprelu_skip_transcoder", {"d_out": 9, "apply_b_dec_to_input": False}),
    ],
)
def test_we_load_what_saelens_saved(
    architecture: str, options: dict[str, Any], vectors: Tensor, tmp_path: Path
) -> None:
    sae_class, config_class = get_sae_class(architecture)
    theirs = sae_class(config_class(d_in=12, d_sae=40, **options))
    random_state(theirs)
    theirs.save_model(tmp_path)
    assert_same_function(from_saelens(*read(tmp_path)), theirs, vectors)


@pytest.mark.parametrize(
    ("architecture", "kind", "options"),
    [
        ("standard", "relu", {}),
        ("topk", "topk", {"k": 5}),
        ("batchtopk", "batchtopk", {"k": 5}),
        ("jumprelu", "jumprelu", {}),
        ("gated", "gated", {}),
        ("matryoshka_batchtopk", "matryoshka", {"k": 5, "matryoshka_widths": [4, 10, 40]}),
    ],
)
def test_we_load_what_a_saelens_trainer_saved_as_the_kind_it_trained(
    architecture: str, kind: str, options: dict[str, Any], vectors: Tensor, tmp_path: Path
) -> None:
    sae_class, config_class = get_sae_training_class(architecture)
    trained = sae_class(config_class(d_in=12, d_sae=40, **options))
    assert isinstance(trained, TrainingSAE)
    random_state(trained)
    trained.save_model(tmp_path / "checkpoint")
    trained.save_inference_model(tmp_path / "final")
    checkpoint, final = (from_saelens(*read(tmp_path / name)) for name in ("checkpoint", "final"))
    assert checkpoint.kind == kind
    theirs = SAE.load_from_disk(tmp_path / "final")
    assert_same_function(final, theirs, vectors)
    assert_same_function(checkpoint, theirs, vectors)


@pytest.mark.parametrize("kind", KINDS)
def test_a_folder_of_ours_remembers_how_it_was_trained(kind: str, worn: Callable[..., Dictionary]) -> None:
    dictionary = worn(kind, decoder_init_norm=0.25)
    cfg, tensors = to_saelens(dictionary)
    assert from_saelens(cfg, tensors).config.decoder_init_norm == 0.25
    assert cfg["metadata"]["training_architecture"] == kind


def test_an_unknown_architecture_a_missing_tensor_and_a_wrong_shape_are_refused(
    worn: Callable[..., Dictionary],
) -> None:
    cfg, tensors = to_saelens(worn("relu"))
    with pytest.raises(ArtifactError, match=r"architecture: 'temporal'.*Known: .*standard"):
        from_saelens({**cfg, "architecture": "temporal"}, tensors)
    with pytest.raises(ArtifactError, match="normalises its input at run time: 'layer_norm'"):
        from_saelens({**cfg, "normalize_activations": "layer_norm"}, tensors)
    with pytest.raises(ArtifactError, match="missing: 'b_enc'"):
        from_saelens(cfg, {name: value for name, value in tensors.items() if name != "b_enc"})
    with pytest.raises(ArtifactError, match=r"b_dec has shape \[3\], not \[12\]"):
        from_saelens(cfg, {**tensors, "b_dec": torch.zeros(3)})
    with pytest.raises(UsageError, match="d_sae is not valid: 'missing'"):
        from_saelens({name: value for name, value in cfg.items() if name != "d_sae"}, tensors)
