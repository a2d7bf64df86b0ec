"""A sweep in short."""

from pathlib import Path

from mechlab.core.estimate import Estimate
from mechlab.store.sweep import MemberRecord, SweepRecord
from mechlab.verbs.steps.sweeps.summary import sweep_outcome

KEPT = Estimate(value=0.75, low=0.7, high=0.8, n=9)


def record(problem=""):
    metrics = {"explained_variance": KEPT, "untrained.l0": KEPT, "n_tokens": 50}
    good = MemberRecord(name="good", run="a" * 16, settings={"k": 4}, seed=0, metrics=metrics)
    other = MemberRecord(name="other", run="b" * 16, settings={"k": 8}, seed=1, problem=problem)
    return SweepRecord(kind="sweep topk", config={}, members=(good, other), finished=True)


def test_programs_get_every_member_with_its_values():
    data = sweep_outcome(Path("s"), record()).data
    about = {"name": "good", "run": "s/good", "id": "a" * 16, "seed": 0, "settings": {"k": 4}}
    assert data["members"][0] == {**about, "explained_variance": 0.75, "n_tokens": 50}


def test_people_get_a_line_per_member_and_where_the_page_is():
    outcome = sweep_outcome(Path("s"), record())
    assert outcome.tables[0].rows[0] == ("good", "–", "–", "0.75", "–")
    assert outcome.lines == ("sweep: s", "open:  s/sweep.html")
    assert outcome.exit_code == 0


def test_a_failed_member_is_told_and_is_a_failure():
    outcome = sweep_outcome(Path("s"), record("loss is nan"))
    assert outcome.exit_code == 1
    assert "1 of 2 failed: loss is nan" in outcome.tables[0].note
    assert outcome.data["members"][1]["problem"] == "loss is nan"
