"""What a sweep would cost, beside what its members would cost alone."""

import pytest

from mechlab.verbs.steps.sweeps.grid import open_members
from mechlab.verbs.steps.sweeps.planning import plan_sweep
from mechlab.verbs.steps.training.planning import plan
from mechlab.verbs.sweep_options import SweepOptions


@pytest.fixture
def planned(options):
    def planned(**changed):
        small = options().model_dump(exclude={"site", "features", "out", "parallel", "dictionary"})
        grid = {"sites": ("resid_post.0",), "features": (24,), "dictionary": {"k": 4}, "out": "s"}
        sweep = SweepOptions(**{**small, **grid, **changed})
        return plan_sweep(sweep, open_members(sweep))

    return planned


def test_a_sweep_of_one_takes_the_memory_and_steps_of_its_run(planned, options, subject):
    alone, sweep = plan(options(), subject).data, planned().data
    assert all(sweep[key] == alone[key] for key in ("memory_bytes", "n_tokens", "n_steps"))


def test_members_add_up_but_for_the_model_the_text_and_the_pool(planned):
    one, three = planned().data, planned(seeds=(0, 1, 2)).data
    assert three["n_members"] == 3
    assert three["disk_bytes"] == 3 * one["disk_bytes"]
    assert one["memory_bytes"] < three["memory_bytes"] < 3 * one["memory_bytes"]


def test_a_pool_is_stored_only_where_a_checkpoint_comes_before_the_end(planned):
    assert planned(checkpoint_every=3).data["disk_bytes"] > planned(checkpoint_every=8).data["disk_bytes"]


def test_the_members_are_listed(planned):
    outcome = planned(seeds=(0, 1))
    assert [row[0] for row in outcome.tables[1].rows] == ["resid_post.0-24-k4-seed0", "resid_post.0-24-k4-seed1"]
