"""The index of a run is that of the model it holds, on the rows it was judged on."""

import shutil

import pytest
import torch

from mechlab.core.errors import ArtifactError
from mechlab.core.progress import SILENT
from mechlab.metrics.code_index import index_codes
from mechlab.store.run import CODES_NAME, open_run
from mechlab.verbs.steps.codebooks.finding import read_again, stored_index
from mechlab.verbs.steps.codebooks.stored import open_codebook_model


def test_it_is_the_index_of_the_stored_model_on_the_rows_read_again(with_codebooks):
    run = open_run(with_codebooks[0])
    _, rows = read_again(run, "cpu", SILENT)
    found, wanted = stored_index(run), index_codes(open_codebook_model(run.folder, device="cpu"), rows)
    assert found.rows == wanted.rows == rows.fingerprint
    assert all(torch.equal(found.codes[site], wanted.codes[site]) for site in wanted.codes)
    assert all(torch.equal(found.totals[site], wanted.totals[site]) for site in wanted.totals)


def test_a_changed_index_is_refused(with_codebooks, tmp_path):
    shutil.copytree(with_codebooks[0], tmp_path / "run")
    with (tmp_path / "run" / CODES_NAME).open("r+b") as file:
        file.seek(2000)
        file.write(b"x")
    with pytest.raises(ArtifactError, match="run is damaged"):
        stored_index(open_run(tmp_path / "run"))
