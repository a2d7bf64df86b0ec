"""A comparison in the terminal: texts before and after, and every way with its numbers."""

import pytest
from small_run import call
from verbs.steered_by import direction_file

from mechlab.store.run import open_run
from mechlab.verbs.steps.steering.list import steer_outcome, steered_texts


@pytest.fixture(scope="module")
def run(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("d")
    asked = ("--model", model, "--direction", direction_file(model, folder / "d.safetensors"), "--compare")
    more = ("--tokens", 6, "--concept", "e", "--texts", 2, "--ladder", "1", "--corpus", "tales", "--most-increase", 9)
    done = call("steer", "One day", *asked, *more, "--device", "cpu", "--out", folder / "run", "--json")
    assert done.code == 0, done.err
    return open_run(folder / "run")


def test_texts_stand_behind_their_prompts_and_ways_behind_the_model_as_it_is(run):
    found, (texts, ways) = steered_texts(run)
    assert [name for name, _ in texts.rows] == ["as it is", "steered", "random direction"]
    (sample,) = found["samples"]
    assert texts.rows[1][1] == "One day" + sample["after"]
    assert [row[0] for row in ways.rows] == ["the model as it is", "as asked", "random direction"]
    assert all(len(row) == len(ways.columns) for row in ways.rows)
    assert float(ways.rows[0][2]) == pytest.approx(found["ways"][0]["own"]["text"]["concept"]["value"], abs=1e-3)


def test_the_outcome_says_where_the_page_is(run):
    outcome = steer_outcome(run)
    assert outcome.data["report"] == str(run.folder / "report.html") and outcome.lines[-1].endswith("report.html")
