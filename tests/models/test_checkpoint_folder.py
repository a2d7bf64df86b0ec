"""A folder is checked before anything is built from it, and the message names the file and the remedy."""

from pathlib import Path

import pytest
from oracles.tiny_models import tiny

from mechlab.core.errors import ArtifactError, UsageError
from mechlab.models.checkpoint_folder import check_folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tiny("gpt2").save_pretrained(tmp_path)
    return tmp_path


def test_a_whole_folder_passes(folder: Path) -> None:
    check_folder(folder)


@pytest.mark.parametrize("kept", [0, 4, 7, 200, 0.5, 0.999])
def test_a_truncated_safetensors_is_named(folder: Path, kept: float) -> None:
    file = folder / "model.safetensors"
    data = file.read_bytes()
    file.write_bytes(data[: int(kept if kept >= 1 or kept == 0 else kept * len(data))])
    with pytest.raises(ArtifactError, match=r"not a whole safetensors file: '.*model.safetensors'. It is"):
        check_folder(folder)


def test_a_pickle_renamed_to_safetensors_is_not_believed(folder: Path) -> None:
    import pickle

    (folder / "model.safetensors").write_bytes(pickle.dumps({"weights": [1.0] * 100}))
    with pytest.raises(ArtifactError, match="not a whole safetensors file"):
        check_folder(folder)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "weights.pth"])
def test_pickled_weights_are_refused_with_the_remedy(folder: Path, name: str) -> None:
    (folder / "model.safetensors").rename(folder / name)
    for place in (folder, folder / name):
        with pytest.raises(UsageError, match=rf"weights are pickled: '.*{name}'. Convert it once to safetensors"):
            check_folder(place)


def test_a_pickle_beside_safetensors_is_ignored(folder: Path) -> None:
    (folder / "training_args.bin").write_bytes(b"never opened")
    check_folder(folder)


def test_a_folder_without_config_or_weights_says_which(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    with pytest.raises(UsageError, match=r"model folder has no model.safetensors"):
        check_folder(folder)
    (folder / "config.json").unlink()
    with pytest.raises(UsageError, match=r"model folder has no config.json"):
        check_folder(folder)


def test_a_file_is_not_a_folder(folder: Path) -> None:
    with pytest.raises(UsageError, match=r"model is not a folder: '.*model.safetensors'. Give the folder"):
        check_folder(folder / "model.safetensors")


@pytest.mark.parametrize(
    ("text", "message"),
    [("{", "file is not JSON"), ("[1]", "does not hold a JSON object"), ("{}", "does not say model_type")],
)
def test_a_config_that_is_none_is_named(folder: Path, text: str, message: str) -> None:
    (folder / "config.json").write_text(text)
    with pytest.raises(ArtifactError, match=message):
        check_folder(folder)
