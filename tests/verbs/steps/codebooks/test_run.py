"""A run with codebooks: the same command gives the same bytes, also if it was killed; what makes it the run it is."""

import signal
import time

import pytest
import torch
from small_codebooks import SMALL, train
from small_run import contents, spawn, wait

from mechlab.core.progress import SILENT
from mechlab.verbs.codebook_options import CodebookOptions
from mechlab.verbs.steps.codebooks.run import (
    _without_codebooks,
    finetune_config,
    identity_of,
    open_codebook_subject,
)
from mechlab.verbs.steps.opening import training_rows

LONG = ("--tokens", "25600", "-s", "training.revive_every_steps=3")
NOWHERE_IN_THE_ID = {"out", "device", "threads", "resume"}


def test_the_same_command_makes_the_same_bytes_elsewhere_and_a_finished_run_is_returned(
    with_codebooks, model, tmp_path
):
    out, first = with_codebooks
    assert train(model, tmp_path / "other").code == 0
    ours, theirs = contents(out), contents(tmp_path / "other")
    for files in (ours, theirs):
        files.pop("run.json")
    assert ours == theirs
    again = train(model, out, "--json")
    assert "already there" in again.err and again.data == first.data


def test_a_killed_run_resumed_has_the_bytes_of_one_never_stopped(model, tmp_path):
    out = tmp_path / "killed"
    process = spawn("train", "codebook", "--model", model, *SMALL, *LONG, "--out", out, "--quiet")
    checkpoints = out.with_name("killed.partial") / "checkpoints"
    deadline = time.monotonic() + 240
    while not list(checkpoints.glob("step-*")):
        assert process.poll() is None and time.monotonic() < deadline, wait(process).err
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    assert wait(process).code == -signal.SIGKILL
    refused = train(model, out, *LONG)
    assert refused.code == 2 and "--resume" in refused.line
    done = train(model, out, *LONG, "--resume")
    assert done.code == 0 and "resuming after step" in done.err, done.err
    assert train(model, tmp_path / "straight", *LONG).code == 0
    ours, theirs = contents(out), contents(tmp_path / "straight")
    for files in (ours, theirs):
        files.pop("run.json")
    assert ours == theirs


def options(model, **changed) -> CodebookOptions:
    small = {"corpus": "tales", "row_length": 32, "tokens": 4096, "codes": 20, "k": 2, "device": "cpu"}
    return CodebookOptions(**{"model": str(model), **small, **changed})


@pytest.mark.parametrize(
    "changed",
    [
        {"sites": "mlp_out"},
        {"codes": 21},
        {"k": 3},
        {"groups": 2},
        {"combine": "sum"},
        {"similarity": "euclidean"},
        {"normalise": False},
        {"start": "random"},
        {"start_tokens": 99},
        {"batch_rows": 16},
        {"lr": 0.1},
        {"train": "codes"},
        {"tokens": 9000},
        {"training": {"error_weight": 0.5}},
        {"control": False},
        {"seed": 1},
    ],
)
def test_whatever_changes_the_result_changes_the_id(model, changed):
    plain, other = (identity_of(one, open_codebook_subject(one)) for one in (options(model), options(model, **changed)))
    assert plain.run_id() != other.run_id()


def test_where_it_lies_and_what_runs_it_does_not(model):
    plain = options(model)
    other = options(model, out="elsewhere", threads=1, resume=True)
    assert identity_of(plain, open_codebook_subject(plain)) == identity_of(other, open_codebook_subject(other))


def test_sites_named_in_two_ways_are_one_run(model):
    one, two = options(model, sites="z,mlp_out"), options(model, sites="mlp_out.1,z.1,blocks.0.attn.hook_z,mlp_out.0")
    assert identity_of(one, open_codebook_subject(one)) == identity_of(two, open_codebook_subject(two))


def test_the_steps_are_as_many_as_the_tokens_fill(model):
    assert finetune_config(options(model, batch_rows=8)).n_steps == 4096 // (8 * 32)


def test_the_control_is_trained_alike_with_nothing_in_its_way(with_codebooks, model):
    _, done = with_codebooks
    found = done.data["estimates"]
    assert found["finetuned.ce_loss"]["value"] < min(found[f"{name}ce_loss"]["value"] for name in ("", "unmodified."))
    rows_of = open_codebook_subject(options(model))
    rows = training_rows(rows_of, SILENT)
    plain = _without_codebooks(options(model, batch_rows=8), rows, SILENT)
    assert not plain.codebooks
    start = rows_of.model.module.state_dict()
    assert not all(torch.equal(value, start[name]) for name, value in plain.weights_to_train().items())


def test_without_a_control_none_is_made(model, tmp_path):
    done = train(model, tmp_path / "out", "--no-control", "--json")
    assert done.code == 0 and "finetuned.ce_loss" not in done.data["estimates"]
