"""`mechlab channels`: the strongest channels, of the heads asked for; what does not fit is one line."""

import re

import pytest
from small_run import call


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
