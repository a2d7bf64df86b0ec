"""`mechlab channels`: the strongest channels, of the heads asked for; what does not fit is one line."""

import re

import pytest
from small_run import call

from mechlab.store.run import open_run
from mechlab.verbs.steps.channels.carried import stored_carried


def test_the_strongest_channels_are_listed_downwards(model, tmp_path):
    done = call("channels", "--model", model, "--out", tmp_path / "run", "--top", 4, "--json")
    assert done.code == 0, done.err
    listed = done.data["channels"]
    assert len(listed) == 4 and [one["z"] for one in listed] == sorted((one["z"] for one in listed), reverse=True)
    shown = call("channels", "--model", model, "--out", tmp_path / "run", "--top", 4)
    assert all(one["name"] in shown.out for one in listed) and "report.html" in shown.out


def test_only_channels_of_the_heads_asked_for_are_listed(model, tmp_path):
    more = ("--from", "0.1", "--to", "1.0", "--json")
    listed = call("channels", "--model", model, "--out", tmp_path / "run", *more).data["channels"]
    assert listed and {(tuple(one["sender"]), tuple(one["receiver"])) for one in listed} == {((0, 1), (1, 0))}


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (("--from", "9.0"), "no such layer or head"),
        (("--to", "0.99"), "no such layer or head"),
        (("--from", "first"), "LAYER.HEAD"),
        (("--mode", "x"), "mode"),
        (("--null", "none"), "null"),
        (("--offset", "100000"), "offset|tokens before"),
    ],
)
def test_what_does_not_fit_is_one_line_and_leaves_nothing(model, tmp_path, options, line):
    done = call("channels", "--model", model, *options, "--out", tmp_path / "run")
    assert done.code == 2 and not list(tmp_path.iterdir())
    assert re.search(line, done.err) and len(done.err.strip().splitlines()) == 1, done.err


def test_an_unknown_model_is_one_line(tmp_path):
    done = call("channels", "--model", "nobody", "--out", tmp_path / "run")
    assert done.code == 2 and "nobody" in done.err and not list(tmp_path.iterdir())


def test_what_the_first_carry_is_listed_with_them_and_makes_a_run_of_its_own(model, tmp_path):
    text = ("--carries", "--corpus", "tales", "--tokens", 3000, "--from", "0.1", "--top", 2)
    plain = call("channels", "--model", model, "--out", tmp_path / "plain", "--json").data
    done = call("channels", "--model", model, *text, "--out", tmp_path / "run", "--json").data
    assert plain["id"] != done["id"] and "carried" not in plain
    carried = done["carried"]["channels"]
    assert [one["name"] for one in carried] == [one["name"] for one in done["channels"]] and len(carried) == 2
    beyond = [one for one in stored_carried(open_run(tmp_path / "run")).channels if "Told beyond" in one.verdict]
    assert (done["n_looked_into"], done["n_telling_a_cause"]) == (2, len(beyond)) and "n_looked_into" not in plain
    assert {one["sender"] for one in carried} == {"0.1"} and carried[0]["causes"] and carried[0]["tokens"]
    again = call("channels", "--model", model, *text, "--out", tmp_path / "run", "--json")
    assert "already there" in again.err and again.data["carried"] == done["carried"]
    other = call("channels", "--model", model, *text[:-1], 1, "--out", tmp_path / "run")
    assert other.code == 2 and "another config" in other.err


def test_heads_that_have_no_channel_carry_nothing(model, tmp_path):
    text = ("--carries", "--corpus", "tales", "--tokens", 500, "--from", "1.0")
    done = call("channels", "--model", model, *text, "--out", tmp_path / "run", "--json")
    assert done.code == 0 and done.data["carried"]["channels"] == [] and done.data["channels"] == []


def test_a_run_is_shown_with_its_channels_and_what_they_carry(model, tmp_path):
    text = ("--carries", "--corpus", "tales", "--tokens", 3000, "--top", 2)
    made = call("channels", "--model", model, *text, "--out", tmp_path / "run", "--json").data
    shown = call("show", tmp_path / "run", "--json").data
    assert len(shown["channels"]) == 10 and shown["channels"][:2] == made["channels"]
    assert shown["carried"] == made["carried"]
    printed = call("show", tmp_path / "run").out
    assert all(f"{one['name']} carries" in printed for one in made["channels"])
    assert all(one["name"] in printed for one in shown["channels"])
