"""A run of channels is found again, holds a table and a page, and is the same bytes when made again."""

import torch
import transformers as hf
from small_run import assert_refused, call

from mechlab.circuits.channels.channel_map import channel_map
from mechlab.models.huggingface import HuggingFaceModel
from mechlab.models.loaders import load
from mechlab.models.processing import processed
from mechlab.store.run import open_run
from mechlab.store.table import read_table
from mechlab.verbs.steps.channels import run as channel_run
from mechlab.verbs.steps.channels.list import stored_channels


def test_its_table_and_metrics_are_those_of_the_model_s_map(model, tmp_path):
    done = call("channels", "--model", model, "--out", tmp_path / "one", "--json")
    assert done.code == 0, done.err
    found, run = channel_map(load(str(model), device="cpu")), open_run(tmp_path / "one")
    columns = stored_channels(run)
    assert [columns.channel(row).name for row in range(3)] == [one.name for one in found.channels(3)]
    assert run.manifest.metrics["n_channels"] == sum(int((~one.z.isnan()).sum()) for one in found.surprises.values())
    assert run.manifest.metrics["n_discoveries_q"] == int((found.surprises["q"].q <= 0.05).sum())
    assert (
        float(read_table(run.file("channels.arrow"))["z"][0]) == run.manifest.metrics["largest_z_" + columns.modes[0]]
    )
    assert not run.verify()


def test_made_again_it_is_the_same_bytes_and_at_its_place_it_is_found(model, tmp_path):
    for name in ("one", "two"):
        assert call("channels", "--model", model, "--mode", "k", "--out", tmp_path / name).code == 0
    for name in ("channels.arrow", "report.html"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    again = call("channels", "--model", model, "--mode", "k", "--out", tmp_path / "one")
    assert again.code == 0 and "already there" in again.err
    other = call("channels", "--model", model, "--mode", "q", "--out", tmp_path / "one")
    assert other.code == 2 and "another config" in other.err


def test_norms_that_cannot_be_folded_and_a_single_layer_are_refused(model, tmp_path, monkeypatch):
    loaded = load(str(model), device="cpu")
    out = tmp_path / "run"
    monkeypatch.setattr(channel_run, "load", lambda *_, **__: processed(loaded, fold_norm=False))
    assert_refused(call("channels", "--out", out), out, "norms are not folded")
    one_layer = HuggingFaceModel(hf.GPT2LMHeadModel(hf.GPT2Config(vocab_size=9, n_embd=8, n_layer=1, n_head=2)))
    monkeypatch.setattr(channel_run, "load", lambda *_, **__: one_layer)
    assert_refused(call("channels", "--out", out), out, "no head has a later one")


def test_what_only_lists_does_not_make_another_run(model, tmp_path):
    ids = [
        call("channels", "--model", model, *more, "--out", tmp_path / "run", "--json").data["id"]
        for more in ((), ("--top", 3), ("--to", "1.0"))
    ]
    assert len(set(ids)) == 1 and torch.is_tensor(read_table(tmp_path / "run" / "channels.arrow")["q"])
