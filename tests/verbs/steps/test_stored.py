"""A dictionary out of a run is the one SAELens reads from the same folder."""

import shutil

import pytest
import torch
from sae_lens import SAE

from mechlab.core.errors import ArtifactError
from mechlab.store.run import open_run
from mechlab.verbs.steps.stored import stored_dictionary


def test_it_reconstructs_as_saelens_reads_it(trained, dictionary):
    theirs = SAE.load_from_disk(str(trained[0] / "dictionary"), device="cpu")
    x = torch.randn(50, 16, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(dictionary(x), theirs(x), atol=1e-5, rtol=1e-5)
    assert not dictionary.training


def test_a_changed_config_is_refused(trained, tmp_path):
    copied = shutil.copytree(trained[0], tmp_path / "copied")
    cfg = copied / "dictionary" / "cfg.json"
    cfg.write_text(cfg.read_text().replace('"k": 4', '"k": 5'))
    with pytest.raises(ArtifactError, match=r"dictionary/cfg\.json"):
        stored_dictionary(open_run(copied))


def test_a_run_without_one_is_refused(judged):
    with pytest.raises(ArtifactError, match="no dictionary"):
        stored_dictionary(open_run(judged[0]))
