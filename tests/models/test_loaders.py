"""A model is loaded from wherever it is, exactly as it is, or refused in one line."""

from pathlib import Path

import pytest
import torch
from oracles.tiny_models import FAMILIES, hooked_transformer, tiny, token_rows
from safetensors.torch import load_file, save_file

from mechlab.core.errors import ArtifactError, UnknownName, UsageError
from mechlab.models import MODELS
from mechlab.models.huggingface import HuggingFaceModel
from mechlab.models.loaders import load

TOKENS = token_rows()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tiny("gpt2").save_pretrained(tmp_path / "little")
    return tmp_path / "little"


@pytest.mark.parametrize("family", FAMILIES)
def test_a_folder_gives_back_the_model_that_was_saved_in_it(family: str, tmp_path: Path) -> None:
    module = tiny(family)
    module.save_pretrained(tmp_path / family)
    model = load(tmp_path / family, device="cpu")
    assert model.name == family
    assert model.tokenizer is None
    torch.testing.assert_close(model.logits(TOKENS), module(TOKENS).logits, rtol=1e-6, atol=1e-6)  # GELU in one pass
    assert model.fingerprint == HuggingFaceModel(module).fingerprint


def test_a_folder_may_be_spelled_as_text_relative_or_not(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent)
    prints = {load(name, device="cpu").fingerprint for name in (str(folder), "little", "./little", Path("little"))}
    assert len(prints) == 1


def test_the_number_type_is_the_one_asked_for(folder: Path) -> None:
    assert load(folder, device="cpu").dtype == torch.float32
    assert load(folder, device="cpu", dtype=torch.bfloat16).dtype == torch.bfloat16


def test_weights_in_several_files_are_one_model(tmp_path: Path) -> None:
    module = tiny("llama")
    module.save_pretrained(tmp_path, max_shard_size="40KB")
    assert len(list(tmp_path.glob("*.safetensors"))) > 1
    assert torch.equal(load(tmp_path, device="cpu").logits(TOKENS), module(TOKENS).logits)
    next(iter(sorted(tmp_path.glob("*.safetensors")))).unlink()
    with pytest.raises(ArtifactError, match=r"weight file is missing: '.*model-00001-of-.*safetensors'"):
        load(tmp_path)


def test_loading_prints_nothing_and_leaves_the_librarys_settings(folder: Path, capfd: pytest.CaptureFixture) -> None:
    from transformers.utils import logging

    before = logging.get_verbosity(), logging.is_progress_bar_enabled()
    load(folder, device="cpu")
    assert capfd.readouterr() == ("", "")
    assert (logging.get_verbosity(), logging.is_progress_bar_enabled()) == before


def test_the_trained_model_has_its_tokenizer(stories_folder: Path) -> None:
    model = load(stories_folder, device="cpu")
    assert model.name == "stories260K"
    assert model.tokenizer is not None
    assert model.tokenizer.d_vocab == model.spec.d_vocab == 512
    assert model.spec.n_params == 260_032


def test_objects_in_memory_are_taken_as_they_are() -> None:
    module = tiny("gpt2")
    model = load(module)
    assert isinstance(model, HuggingFaceModel)
    assert model.module is module
    assert load(model) is model
    with torch.no_grad():
        lens = load(hooked_transformer(module))
        torch.testing.assert_close(lens.logits(TOKENS), model.logits(TOKENS), atol=1e-5, rtol=0)


def test_the_built_in_model_loads_by_name() -> None:
    if not (MODELS["tales"]() / "model.safetensors").exists():
        pytest.skip("the built-in model's weights are not there yet")
    model = load("tales", device="cpu")
    assert (model.name, model.spec.architecture) == ("tales", "gpt2")
    assert model.tokenizer is not None
    assert model.tokenizer.d_vocab <= model.spec.d_vocab


@pytest.mark.parametrize("model", [3, None, torch.nn.Linear(2, 2)])
def test_an_object_that_is_no_language_model_is_refused(model: object) -> None:
    with pytest.raises(UsageError, match=r"this is no language model: '(int|NoneType|Linear)'"):
        load(model)


@pytest.mark.parametrize("model", [Path("nowhere"), "./nowhere", "a/b/c", "/nowhere", "model.pt", "weights.bin"])
def test_a_folder_that_does_not_exist_is_refused_without_asking_the_hub(model: str | Path) -> None:
    with pytest.raises(UsageError, match=r"model folder does not exist: '.*'. Give a folder .* built in: .*tales"):
        load(model)


def test_a_name_that_is_nothing_here_says_there_is_no_network() -> None:
    with pytest.raises(UsageError, match=r"no network for a hub name .*: 'talse'. Built in: .*tales") as caught:
        load("talse")
    assert "\n" not in str(caught.value)


def test_an_unknown_device_is_refused(folder: Path) -> None:
    with pytest.raises(UsageError, match="unknown device: 'tpu7'"):
        load(folder, device="tpu7")


def test_a_missing_or_misshapen_tensor_is_refused_and_not_drawn_at_random(folder: Path) -> None:
    file = folder / "model.safetensors"
    tensors = load_file(file)
    kept = {name: value for name, value in tensors.items() if "h.1.mlp.c_fc" not in name}
    save_file(kept, file, metadata={"format": "pt"})
    with pytest.raises(ArtifactError, match=r"does not hold the model's weights: .*lack .*h.1.mlp.c_fc.bias, "):
        load(folder)
    save_file(tensors | {"transformer.wpe.weight": torch.zeros(7, 32)}, file, metadata={"format": "pt"})
    with pytest.raises(ArtifactError, match=r"does not hold the model's weights: .*wpe.weight"):
        load(folder)


def test_a_damaged_tokenizer_is_named(folder: Path) -> None:
    (folder / "tokenizer.json").write_text("{}")
    with pytest.raises(ArtifactError, match="tokenizer cannot be read"):
        load(folder)


def test_an_unsupported_architecture_lists_the_supported_ones(folder: Path) -> None:
    config = (folder / "config.json").read_text().replace('"model_type": "gpt2"', '"model_type": "opt"')
    (folder / "config.json").write_text(config)
    with pytest.raises(UnknownName, match=r"unknown architecture: 'opt'. Known: .*gpt2.*gpt_neox.*llama.*gemma2"):
        load(folder)
