"""The pieces of experiment 016: both sides are given the same, and ratios of turns tell who is quicker."""

import json

import pytest
import torch
import yaml
from experiment_pieces import EXPERIMENTS, pieces_of
from oracles.tiny_models import tiny

import mechlab
from mechlab.models.huggingface import HuggingFaceModel

NAME = "016_what_steering_costs"
SETTINGS = {"seed": 0, "rounds": 3, "n_prompt": 4, "n_new": 6, "strength": 0.5, "d_sae": 16}


@pytest.fixture(scope="module")
def pieces():
    with pieces_of(NAME, "cases", "theirs", "timing", "run") as found:
        yield found


@pytest.fixture(scope="module")
def model():
    return HuggingFaceModel(tiny("llama"))


def test_every_case_changes_the_text_or_the_logits(pieces, model):
    sources, prompts = pieces.cases.sources_of(model, SETTINGS), pieces.cases.prompts_of(model, SETTINGS, 3)
    clean = model.logits(prompts)
    for name, spec in pieces.cases.cases_of(model, SETTINGS, 3).items():
        with torch.no_grad(), mechlab.steer_by(model, spec, sources, n_prompt=1 if "window" in name else None):
            found = model.logits(prompts)
        waits = "window" in name  # it opens later than these rows are long
        assert torch.allclose(found, clean) == waits, name


def test_the_other_library_writes_the_same_text_and_its_weights_are_the_models(pieces, model):
    lens = pieces.theirs.hooked(model)
    prompts = pieces.cases.prompts_of(model, SETTINGS, 2)
    torch.testing.assert_close(lens(prompts), model.logits(prompts), rtol=1e-4, atol=1e-4)
    vector = 3 * pieces.cases.sources_of(model, SETTINGS)["v"]
    found = pieces.theirs.generation(lens, vector, [0, 2], 6)(prompts)
    with mechlab.steer(model, "resid_post.0", vector, 1.0), mechlab.steer(model, "resid_post.2", vector, 1.0):
        assert torch.equal(found, model.generate(prompts, 6))


def test_a_row_of_the_table_has_both_ratios_where_both_are_given_the_case(pieces, model):
    rows = pieces.timing.rows_of(model, SETTINGS, 2)
    assert [row["case"] for row in rows] == list(pieces.cases.cases_of(model, SETTINGS, 2))
    assert [row["case"] for row in rows if "times_theirs" in row] == list(pieces.cases.HOOKED)
    assert all(len(row["of_the_plain_speed"]) == 3 for row in rows)


def test_ratios_are_of_turns_that_followed_one_another(pieces):
    assert pieces.timing.quartiles([2.0, 4.0, 9.0], [1.0, 2.0, 3.0]) == [2.0, 2.0, 3.0]


def test_what_is_told_is_what_was_asked():
    settings = yaml.safe_load((EXPERIMENTS / NAME / "config.yaml").read_text())
    found = json.loads((EXPERIMENTS / NAME / "result.json").read_text())
    assert found["config"] == settings
    assert {row["rows"] for row in found["cases"]} == set(settings["rows"])
