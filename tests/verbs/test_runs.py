"""`mechlab runs`: the list, one run, the bytes, the comparison."""

import json

import pytest
import torch

from mechlab.core.config import build
from mechlab.core.errors import ConfigError, UnknownName, UsageError
from mechlab.core.estimate import Estimate
from mechlab.core.progress import SILENT
from mechlab.store.manifest import Identity, ModelRecord
from mechlab.store.safetensors_header import read_header
from mechlab.store.writer import RunWriter
from mechlab.verbs.runs import Config, run


@pytest.fixture
def make(tmp_path):
    def make(name, l0, seed=0, parents=()):
        model = ModelRecord(name="tiny", fingerprint="m" * 64)
        identity = Identity(kind="train", config={"k": 4}, seed=seed, parents=parents, model=model)
        with RunWriter(tmp_path / name, identity) as writer:
            writer.write_dictionary({"k": 4}, {"W_enc": torch.ones(2, 3), "W_dec": torch.ones(3, 2)})
            return writer.finish({"l0": Estimate(value=l0, low=l0 - 1, high=l0 + 1, n=50), "n_tokens": 1000})

    return make


def ask(tmp_path, action="list", *runs):
    outcome = run(build(Config, {"action": action, "runs": runs, "root": tmp_path}), SILENT)
    json.dumps(outcome.data)
    for table in outcome.tables:
        assert all(len(row) == len(table.columns) for row in table.rows)
        assert all(isinstance(cell, str) for row in table.rows for cell in row)
    return outcome


def test_the_list_has_a_line_per_run_and_says_what_is_broken(tmp_path, make):
    good = make("good", 16)
    (make("bad", 16, seed=1).folder / "run.json").write_text("{")
    outcome = ask(tmp_path)
    assert [(row["state"], row.get("id")) for row in outcome.data["runs"]] == [("finished", good.id), ("broken", None)]
    assert outcome.data["runs"][0]["metrics"]["l0"]["value"] == 16
    (name, l0, *_), (broken, *_) = outcome.tables[0].rows
    assert (good.id in name, l0) == (True, "16.0\n[15.0, 17.0]")
    assert broken.endswith("bad\nbroken")
    assert "run.json is damaged" in outcome.lines[0]


def test_one_run_is_shown_with_its_lineage_config_and_metrics(tmp_path, make):
    parent = make("a", 16)
    child = make("b", 16, parents=(parent.id,))
    outcome = ask(tmp_path, "show", child.id[:8])
    assert outcome.data["runs"][0]["id"] == child.id
    facts = dict(outcome.tables[0].rows)
    assert (facts["parents"], facts["config.k"], facts["kind"]) == (parent.id, "4", "train")
    assert "[15" in dict(outcome.tables[1].rows)["l0"]


def test_a_whole_run_verifies(tmp_path, make):
    folder = make("a", 16).folder
    outcome = ask(tmp_path, "verify", str(folder))
    assert outcome.data == {"runs": [{"run": str(folder), "whole": True, "problems": []}]}
    assert outcome.exit_code == 0


def test_without_names_every_run_below_the_root_is_verified(tmp_path, make):
    make("a", 16), make("b", 16, seed=1)
    (make("c", 16, seed=2).folder / "run.json").write_text("{")
    outcome = ask(tmp_path, "verify")
    assert [row["whole"] for row in outcome.data["runs"]] == [True, True, False]
    assert outcome.exit_code == 1


def test_a_flipped_byte_is_found_with_its_tensor(tmp_path, make):
    folder = make("a", 16).folder
    path = folder / "dictionary" / "sae_weights.safetensors"
    content = bytearray(path.read_bytes())
    content[read_header(path).spans["W_dec"][0]] ^= 1
    path.write_bytes(content)
    outcome = ask(tmp_path, "verify", str(folder))
    assert outcome.data["runs"][0]["problems"] == ["dictionary/sae_weights.safetensors: tensor W_dec was changed"]
    assert outcome.exit_code == 1


def test_runs_side_by_side_say_which_numbers_can_be_told_apart(tmp_path, make):
    runs = [make("a", 16), make("b", 17, seed=1), make("c", 30, seed=2)]
    near = ask(tmp_path, "compare", runs[0].id, runs[1].id)
    assert near.data["metrics"]["l0"]["verdict"] == "not distinguishable"
    assert near.data["differences"] == {"seed": [0, 1]}
    assert near.tables[1].columns == ("metric", "a", "b", "verdict")
    far = ask(tmp_path, "compare", runs[0].id, runs[2].id)
    assert far.data["metrics"]["l0"]["verdict"] == "distinguishable"
    assert (
        ask(tmp_path, "compare", *(one.id for one in runs)).data["metrics"]["l0"]["verdict"] == "some distinguishable"
    )


@pytest.mark.parametrize(("action", "runs"), [("show", ()), ("compare", ()), ("compare", ("a",))])
def test_too_few_runs_are_refused(tmp_path, action, runs):
    with pytest.raises(UsageError, match="needs at least"):
        ask(tmp_path, action, *runs)


def test_an_unknown_run_and_an_unknown_action_are_refused(tmp_path, make):
    make("a", 16)
    for action in ("show", "verify"):
        with pytest.raises(UnknownName):
            ask(tmp_path, action, "zzzz")
    with pytest.raises(ConfigError, match=r"Config\.action is not valid: 'delete'"):
        ask(tmp_path, "delete")
