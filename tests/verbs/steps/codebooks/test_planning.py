"""What a run with codebooks would cost is counted as a run counts it, and nothing is written."""

import pytest
import torch
from small_codebooks import train

from mechlab.core.progress import SILENT
from mechlab.verbs.codebook_options import CodebookOptions
from mechlab.verbs.steps.codebooks.planning import plan_codebooks
from mechlab.verbs.steps.codebooks.run import codebook_run, finetune_config


def options(model, **more) -> CodebookOptions:
    small = {"corpus": "tales", "row_length": 32, "tokens": 4096, "eval_tokens": 1024, "device": "cpu", "codes": 20}
    return CodebookOptions(model=str(model), **{**small, "k": 2, "batch_rows": 8, "start_tokens": 512, **more})


def test_steps_and_numbers_that_learn_are_those_of_the_run(model, tmp_path):
    plan = plan_codebooks(options(model)).data
    made = codebook_run(options(model, out=tmp_path / "run", control=False), SILENT)
    assert plan["n_steps"] == finetune_config(options(model)).n_steps == made.read_log()[-1]["step"]
    stored = sum(file.stat().st_size for file in made.model_folder().rglob("*.safetensors"))
    assert plan["n_parameters"] * 4 == pytest.approx(stored, rel=0.2)
    assert plan["time_s"] > 0 and plan["memory_bytes"] > plan["n_parameters"] * 4


def test_codes_alone_are_fewer_numbers_and_the_control_takes_as_long_again(model, monkeypatch):
    monkeypatch.setattr("mechlab.verbs.steps.codebooks.planning.timed", lambda *_: (2.0, 0.0))
    codes, everything = (plan_codebooks(options(model, train=what)).data for what in ("codes", "all"))
    assert 0 < codes["n_parameters"] < everything["n_parameters"]
    alone = plan_codebooks(options(model, control=False)).data
    assert codes["time_s"] == alone["time_s"] == 2.0 * alone["n_steps"] == everything["time_s"] / 2


def test_the_command_writes_nothing(model, tmp_path):
    state = torch.random.get_rng_state()
    done = train(model, tmp_path / "out", "--dry-run")
    assert done.code == 0 and "What this run would cost" in done.out and "Nothing was written" in done.out
    assert not list(tmp_path.iterdir()) and torch.equal(state, torch.random.get_rng_state())


def test_what_cannot_be_made_cannot_be_planned(model, tmp_path):
    done = train(model, tmp_path / "out", "--dry-run", "--k", 21)
    assert done.code == 2 and "k is at most n_codes = 20" in done.line
