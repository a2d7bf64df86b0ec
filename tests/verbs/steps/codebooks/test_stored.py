"""A model with codebooks opens again as it was judged, and is refused where it was changed."""

import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

import mechlab
from mechlab.core.errors import ArtifactError
from mechlab.corpora.opening import open_corpus
from mechlab.corpora.rows import pack
from mechlab.metrics.next_token import loss_per_token, row_losses
from mechlab.store.codebook_folder import WEIGHTS_NAME
from mechlab.verbs.steps.codebooks.stored import open_codebook_model


@torch.no_grad()
def test_the_model_opens_again_and_is_the_one_that_was_judged(with_codebooks):
    out, done = with_codebooks
    model = open_codebook_model(out, device="cpu")
    assert list(model.codebooks) == ["z.0", "mlp_out.0", "z.1", "mlp_out.1"]
    assert model.codebooks["z.0"].config.n_groups == model.spec.n_heads
    rows = pack(open_corpus("tales"), model.tokenizer, row_length=32, n_tokens=1024)
    found = loss_per_token(row_losses(model, rows))
    assert found.value == pytest.approx(done.data["estimates"]["ce_loss"]["value"], rel=1e-5)
    tokens = rows.tokens[:2, :8].long()
    assert torch.equal(model.generate(tokens, 5), open_codebook_model(out / "model", device="cpu").generate(tokens, 5))
    assert mechlab.open_codebook_model is open_codebook_model


def test_a_run_without_a_model_is_refused(trained):
    out, _ = trained
    with pytest.raises(ArtifactError, match="run has no model"):
        open_codebook_model(out)


def test_changed_codes_are_named(with_codebooks, tmp_path):
    shutil.copytree(with_codebooks[0], tmp_path / "run")
    place = tmp_path / "run" / "model" / WEIGHTS_NAME
    tensors = load_file(place)
    save_file({**tensors, "z.0/codes": tensors["z.0/codes"] + 1}, place)
    with pytest.raises(ArtifactError, match=r"tensor z.0/codes was changed"):
        open_codebook_model(tmp_path / "run")


def test_codes_of_another_size_are_refused(with_codebooks, tmp_path):
    shutil.copytree(with_codebooks[0] / "model", tmp_path / "model")
    tensors = load_file(tmp_path / "model" / WEIGHTS_NAME)
    save_file({**tensors, "z.0/codes": torch.zeros(3, 3)}, tmp_path / "model" / WEIGHTS_NAME)
    with pytest.raises(ArtifactError, match=r"codes of z.0 do not fit their config"):
        open_codebook_model(tmp_path / "model")
