"""The grid: which members there are, in which order, under which names, and with which options."""

import pytest

from mechlab.core.errors import UsageError
from mechlab.verbs.steps.sweeps.grid import open_members
from mechlab.verbs.steps.training.run import identity_of
from mechlab.verbs.sweep_options import SweepOptions


@pytest.fixture
def sweep(options):
    """Return options of a sweep of small runs."""

    def sweep(**changed):
        small = options().model_dump(include={"model", "corpus", "row_length", "tokens", "eval_tokens", "batch_size"})
        grid = {"sites": ("resid_post.0",), "features": (24,), "dictionary": {"k": 4}, "device": "cpu", "out": "s"}
        return SweepOptions(**{**small, **grid, **changed})

    return sweep


def test_a_grid_is_the_product_of_its_lists_site_by_site(sweep):
    members = open_members(
        sweep(sites=("resid_post.0", "resid_pre.1"), features=(8, 24), dictionary={"k": ["2", "4"]}, seeds=(0, 5))
    )
    assert [member.name for member in members][:5] == [
        "resid_post.0-8-k2-seed0",
        "resid_post.0-8-k2-seed5",
        "resid_post.0-8-k4-seed0",
        "resid_post.0-8-k4-seed5",
        "resid_post.0-24-k2-seed0",
    ]
    assert len(members) == len({member.identity.run_id() for member in members}) == 16
    assert members[-1].settings == {"site": "resid_pre.1", "features": 24, "k": 4}
    assert len({id(member.subject.model) for member in members}) == 1


def test_a_member_has_the_id_of_the_run_that_train_would_make(sweep, options, subject):
    first, second = open_members(sweep(seeds=(0, 5), seed=0, batch_size=256, pool=512, lr=0.01))
    assert first.identity.run_id() == identity_of(options(), subject).run_id()
    assert second.identity.run_id() == identity_of(options(init_seed=5), subject).run_id()
    assert (first.seed, second.seed) == (0, 5)
    (shifted,) = open_members(sweep(seeds=(5,), seed=5, batch_size=256, pool=512, lr=0.01))
    assert shifted.identity.run_id() != second.identity.run_id()
    assert shifted.options.init_seed is None


def test_one_value_is_a_list_of_one_and_a_list_by_nature_is_one_value(sweep):
    (one,) = open_members(sweep(dictionary={"k": 4}))
    assert one.settings["k"] == 4
    own = {"k": 4, "widths": [8, 24]}
    (nested,) = open_members(sweep(kind="matryoshka", dictionary=own))
    assert nested.settings["widths"] == (8, 24)
    both = open_members(sweep(kind="matryoshka", dictionary={"k": 4, "widths": [[8, 24], [12, 24]]}))
    assert [member.settings["widths"] for member in both] == [(8, 24), (12, 24)]


def test_two_names_of_one_site_are_one_member(sweep):
    with pytest.raises(UsageError, match="two members of the sweep are the same"):
        open_members(sweep(sites=("resid_post.0", "blocks.0.hook_resid_post")))
