"""`mechlab codes RUN`: codes for a pattern or a label, beside what the best code reaches for a moved cause."""

import re

import pytest
from small_run import call

from mechlab.metrics.causes import Hits
from mechlab.verbs.steps.codebooks import finding as code_finding


def test_codes_are_ranked_with_intervals_and_a_null(with_codebooks):
    out, _ = with_codebooks
    done = call("codes", out, "--regex", r"\bthe\b", "--json", "--top", 3)
    assert done.code == 0, done.err
    codes = done.data["codes"]
    assert 1 <= len(codes) <= 3 and done.data["n_tokens"] > 10
    assert [one["f1"] for one in codes] == sorted((one["f1"] for one in codes), reverse=True)
    assert {"value", "low", "high", "n"} <= codes[0]["estimates"]["f1"].keys()
    assert codes[0]["f1"] > done.data["null"]["f1"]
    hits = round(codes[0]["precision"] * codes[0]["n_active"])
    assert codes[0]["f1"] == pytest.approx(Hits(codes[0]["n_active"], hits, done.data["n_tokens"]).f1)


def test_a_label_is_looked_up_by_value_or_altogether(with_codebooks):
    out, _ = with_codebooks
    every, one = (call("codes", out, "--label", name, "--json").data for name in ("gender", "gender=female"))
    assert every["n_tokens"] > one["n_tokens"] > 0


def test_codes_of_what_is_about_to_be_said_are_those_of_the_tokens_in_front(with_codebooks):
    out, _ = with_codebooks
    here, before = (call("codes", out, "--label", "topic", *more, "--json").data for more in ((), ("--before",)))
    assert 0 < before["n_tokens"] <= here["n_tokens"] and before["codes"] != here["codes"]
    assert before["cause"] == "right before topic"


def test_a_pattern_s_tokens_may_have_to_carry_a_label(with_codebooks):
    out, _ = with_codebooks
    more = ("--regex", r"\b[A-Z][a-z]+\b", "--before", "--json")
    every, known = (call("codes", out, *more, *label).data for label in ((), ("--label", "topic")))
    assert 0 < known["n_tokens"] < every["n_tokens"]
    assert known["cause"] == r"right before \b[A-Z][a-z]+\b with topic"


def test_the_table_is_for_people(with_codebooks):
    out, _ = with_codebooks
    done = call("codes", out, "--label", "gender", "--quiet")
    assert (done.code, done.err) == (0, "")
    assert "Codes for gender" in done.out and "moved by half the rows" in " ".join(done.out.split())


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ((), r"a cause is needed: 'none'"),
        (("--regex", "the", "--label", "gender"), r"no token belongs to this cause: 'the with gender'"),
        (("--regex", "(the"), r"pattern does not compile: '\(the'"),
        (("--regex", "xylophone"), r"no token.*xylophone"),
        (("--label", "colour"), r"no such label: 'colour'. Labels are"),
        (("--label", "gender=blue"), r"gender has no such value: 'blue'"),
    ],
)
def test_what_cannot_be_found_is_refused_in_one_line(with_codebooks, more, said):
    done = call("codes", with_codebooks[0], *more, "--quiet")
    assert (done.code, done.out) == (2, "")
    assert re.search(said, done.line), done.line


def test_a_run_without_codes_is_refused(trained):
    done = call("codes", trained[0], "--regex", "a")
    assert done.code == 2 and "run has no file 'codes.arrow'" in done.line


def test_a_cause_that_no_code_finds_is_one_line(with_codebooks, monkeypatch):
    monkeypatch.setattr(code_finding, "rank_codes", lambda *_, **__: ())
    done = call("codes", with_codebooks[0], "--label", "gender", "--min-recall", 0.4, "--quiet")
    assert done.code == 2 and "no code finds so much of it: 'gender'. Lower --min-recall, now 0.4." in done.line
