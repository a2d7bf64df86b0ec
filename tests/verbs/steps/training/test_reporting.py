"""A run's page: filled from a judgement and a log, and from nothing else."""

from pathlib import Path

from mechlab.verbs.steps.opening import open_subject
from mechlab.verbs.steps.training.reporting import RunCard, report_page

LOG = [{"step": step, "loss": 1 / step, "l0": 4.0, "lr": None} for step in (1, 2, 3)]
CARD = RunCard("0123456789abcdef", "train topk", {"model": "tiny & small"})


def test_the_page_says_what_the_run_is_and_what_it_was_judged_on(subject, judgement):
    page = report_page(CARD, subject, judgement, LOG)
    assert page.startswith("<!doctype html>") or page.startswith("<!DOCTYPE html>")
    assert "0123456789abcdef" in page and "tiny &amp; small" in page
    assert f"{judgement.evaluation.n_tokens:,} held-out tokens of tales" in page
    for portrait in judgement.portraits:
        assert f"{portrait.feature}" in page


def test_the_same_judgement_makes_the_same_page(subject, judgement):
    assert report_page(CARD, subject, judgement, LOG) == report_page(CARD, subject, judgement, LOG)


def test_curves_are_of_what_was_logged(subject, judgement):
    with_log, without = (report_page(CARD, subject, judgement, log) for log in (LOG, []))
    assert "what training minimises" in with_log
    assert "what training minimises" not in without
    assert "learning rate" not in with_log  # logged as null


def test_the_next_commands_judge_other_text(options, subject, judgement):
    assert "mechlab evaluate RUN --seed 1" in report_page(CARD, subject, judgement, [])
    Path("own.txt").write_text("text")
    own = open_subject(options(corpus="own.txt"))
    assert "mechlab evaluate RUN --corpus FILE" in report_page(CARD, own, judgement, [])
