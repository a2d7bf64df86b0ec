"""A dictionary's folder: SAELens's two files, read back as they were written."""

import json

import pytest
import torch
from safetensors.torch import load_file

from mechlab.core.errors import ArtifactError
from mechlab.store.dictionary_folder import read_dictionary, write_dictionary

CFG = {"architecture": "topk", "k": 2, "d_in": 3, "d_sae": 5, "metadata": {"hook_name": "blocks.0.hook_resid_post"}}
WEIGHTS = {"W_enc": torch.arange(15.0).reshape(3, 5), "b_dec": torch.ones(3)}


@pytest.fixture
def folder(tmp_path):
    write_dictionary(tmp_path / "dictionary", CFG, WEIGHTS)
    return tmp_path / "dictionary"


def test_it_holds_the_two_files_saelens_looks_for(folder):
    assert sorted(path.name for path in folder.iterdir()) == ["cfg.json", "sae_weights.safetensors"]
    assert json.loads((folder / "cfg.json").read_text()) == CFG
    assert torch.equal(load_file(folder / "sae_weights.safetensors")["W_enc"], WEIGHTS["W_enc"])


def test_it_reads_back_as_it_was_written(folder):
    cfg, tensors = read_dictionary(folder)
    assert cfg == CFG
    assert tensors.keys() == WEIGHTS.keys()
    assert all(torch.equal(tensors[name], WEIGHTS[name]) for name in WEIGHTS)


@pytest.mark.parametrize("name", ["cfg.json", "sae_weights.safetensors"])
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(ArtifactError, match=name):
        read_dictionary(folder)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(ArtifactError, match=r"dictionary folder is missing: .*nowhere"):
        read_dictionary(tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["sae.pt", "pytorch_model.bin", "weights.pkl"])
def test_pickled_weights_are_refused_by_name(folder, name):
    (folder / "sae_weights.safetensors").rename(folder / name)
    with pytest.raises(ArtifactError, match=f"pickle file: .*{name}.* never unpickles"):
        read_dictionary(folder)


def test_a_pickle_called_safetensors_is_refused(folder):
    torch.save(WEIGHTS, folder / "sae_weights.safetensors")
    with pytest.raises(ArtifactError, match=r"^weights are a pickle file"):
        read_dictionary(folder)
