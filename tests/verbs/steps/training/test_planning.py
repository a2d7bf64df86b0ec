"""What a run would cost: counts that can be checked, times that grow with the work, and nothing written."""

import pytest

from mechlab.verbs.steps.opening import at_place
from mechlab.verbs.steps.training import planning
from mechlab.verbs.steps.training.planning import passes_judging, plan, plan_judging


@pytest.fixture
def clock(monkeypatch):
    """Let every look at the clock be a second after the one before."""
    ticks = iter(range(10_000))
    monkeypatch.setattr(planning.time, "monotonic", lambda: float(next(ticks)))


def test_counts_are_those_of_the_run(options, subject, tmp_path):
    data = plan(options(), subject).data
    assert (data["dry_run"], data["n_tokens"], data["n_steps"]) == (True, 2048, 8)
    assert data["n_parameters"] == 24 * 16 * 2 + 24 + 16
    assert not list(tmp_path.iterdir())


def test_a_wider_dictionary_takes_more_of_memory_and_disk(options, subject):
    small, large = (plan(options(features=n), subject).data for n in (24, 2400))
    added = 2376 * (16 * 2 + 1)
    assert large["n_parameters"] - small["n_parameters"] == added
    assert large["memory_bytes"] - small["memory_bytes"] > 4 * 4 * added
    assert large["disk_bytes"] - small["disk_bytes"] >= 4 * 7 * added


def test_time_grows_with_the_tokens_trained_on_and_judged(options, subject, clock):
    base, longer = (plan(options(tokens=n), subject).data["time_s"] for n in (2048, 8192))
    assert longer > 3 * base / 2
    judged = plan_judging(subject).data
    assert judged["n_tokens"] == 1024
    # 4 captures and 5 whole passes of a second each on 32 rows of 32 tokens, which are the 1,024 tokens judged.
    assert judged["time_s"] == 9.0


def test_dictionaries_judged_together_share_the_models_own_passes(subject, options):
    assert [passes_judging(subject, n) for n in (1, 2, 6)] == [5, 7, 15]
    both = at_place(subject, options(site="resid_post.0,resid_post.1"))
    assert [passes_judging(both, n) for n in (1, 2)] == [3 + 2 + 2 * 3, 3 + 2 + 4 * 3]


def test_the_table_says_where_its_numbers_are_from(options, subject):
    (table,) = plan(options(), subject).tables
    assert table.note == "Nothing was written."
    assert {row[0] for row in table.rows} == {"tokens", "steps", "parameters", "memory", "disk", "time"}
