"""A saved model comes back with the same logits, text and fingerprint, and twice saved is the same bytes."""

import copy

import pytest
import torch
from oracles.tiny_models import hooked_transformer, tiny, token_rows

import mechlab
from mechlab.core.errors import UsageError
from mechlab.models.loaders import load
from mechlab.models.saving import save_model


@torch.no_grad()
@pytest.mark.parametrize("family", ["gpt2", "neox_parallel", "llama"])
def test_it_comes_back_as_it_was(family, tmp_path):
    model = load(copy.deepcopy(tiny(family)), device="cpu")
    for name in ("one", "two"):
        save_model(model, tmp_path / name)
    back = load(tmp_path / "one", device="cpu")
    torch.testing.assert_close(back.logits(token_rows()), model.logits(token_rows()))
    names = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert names == sorted(path.name for path in (tmp_path / "two").iterdir())
    assert not [name for name in names if name.endswith((".bin", ".pt", ".pkl"))]
    assert len({path.stat().st_mode for path in (tmp_path / "one").iterdir()}) == 1
    assert all((tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes() for name in names)


def test_its_tokenizer_comes_with_it(tmp_path):
    model = mechlab.load("tales", device="cpu")
    save_model(model, tmp_path / "saved")
    back = load(tmp_path / "saved", device="cpu")
    assert back.fingerprint == model.fingerprint
    assert torch.equal(back.to_tokens("One day Tom"), model.to_tokens("One day Tom"))


def test_another_backend_is_refused(tmp_path):
    with pytest.raises(UsageError, match="only a Hugging Face model can be saved"):
        save_model(load(hooked_transformer(tiny("gpt2")), device="cpu"), tmp_path / "saved")


def test_a_processed_model_that_would_come_back_as_another_one_is_refused(tmp_path):
    with pytest.raises(UsageError, match="would be another one"):
        save_model(mechlab.processed(load(tiny("gpt2"), device="cpu")), tmp_path / "saved")
    assert not (tmp_path / "saved").exists()
