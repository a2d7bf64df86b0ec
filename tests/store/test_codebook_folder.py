"""A model's codebooks on disk: read back as they were written, refused where the two files differ."""

import pytest
import torch

from mechlab.core.errors import ArtifactError
from mechlab.store.codebook_folder import CONFIG_NAME, WEIGHTS_NAME, read_codebooks, write_codebooks
from mechlab.store.disk import write_json

CONFIGS = {"z.0": {"d_in": 4, "n_codes": 3}, "mlp_out.0": {"d_in": 4, "n_codes": 2}}
TENSORS = {
    "z.0": {"codes": torch.arange(12.0).view(3, 4), "scale": torch.tensor(2.0)},
    "mlp_out.0": {"codes": torch.ones(2, 4), "scale": torch.tensor(1.0)},
}


@pytest.fixture
def folder(tmp_path):
    write_codebooks(tmp_path / "model", CONFIGS, TENSORS)
    return tmp_path / "model"


def test_they_read_back_as_they_were_written(folder):
    configs, tensors = read_codebooks(folder)
    assert configs == CONFIGS and tensors.keys() == TENSORS.keys()
    for site, own in TENSORS.items():
        assert tensors[site].keys() == own.keys()
        assert all(torch.equal(tensors[site][name], own[name]) for name in own)


@pytest.mark.parametrize("name", [CONFIG_NAME, WEIGHTS_NAME])
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(ArtifactError, match=name):
        read_codebooks(folder)


@pytest.mark.parametrize("configs", [{"z.0": {}}, {**CONFIGS, "z.1": {}}, {"z.0": 3, "mlp_out.0": {}}])
def test_files_that_do_not_belong_together_are_refused(folder, configs):
    write_json(folder / CONFIG_NAME, configs)
    with pytest.raises(ArtifactError, match="codebooks are damaged"):
        read_codebooks(folder)
