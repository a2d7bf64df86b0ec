"""What the page of a sweep is filled with: seeds together, means over them, fronts by site."""

import pytest

from mechlab.core.estimate import Estimate
from mechlab.store.sweep import MemberRecord, SweepRecord
from mechlab.verbs.steps.sweeps.grid import open_members
from mechlab.verbs.steps.sweeps.page import sweep_data
from mechlab.verbs.sweep_options import SweepOptions


def member(site, k, seed, kept, **more):
    found = {"l0": float(k), "ce_loss_recovered": kept, "explained_variance": kept / 2}
    metrics = {name: Estimate(value=value, low=value, high=value, n=5) for name, value in found.items()}
    settings = {"site": site, "features": 1024, "k": k}
    return MemberRecord(name=f"{site}-k{k}-seed{seed}", run="0", settings=settings, seed=seed, metrics=metrics, **more)


@pytest.fixture(scope="module")
def data(options):
    small = options().model_dump(include={"model", "corpus", "row_length", "tokens", "eval_tokens", "batch_size"})
    members = open_members(SweepOptions(**small, dictionary={"k": 2}, features=(24,), sites=("resid_post.0",), out="s"))
    records = (
        *(member("a", 8, seed, kept) for seed, kept in ((0, 0.5), (1, 0.7))),
        *(member("a", 16, seed, kept) for seed, kept in ((0, 0.4), (1, 0.5))),
        member("a", 32, 0, 0.9),
        member("b", 8, 0, 0.1),
        member("b", 16, 0, 0.2, problem="loss is nan"),
    )
    return sweep_data(SweepRecord(kind="sweep topk", config={}, members=records, finished=True), members)


def test_seeds_of_one_setting_are_one_group_with_their_mean(data):
    first = data.groups[0]
    assert (first.site, first.series, first.label) == ("a", "1,024 features", "1,024 features, k 8")
    assert [one.seed for one in first.seeds] == [0, 1]
    kept = first.means["ce_loss_recovered"]
    assert (kept.value, kept.n) == (pytest.approx(0.6), 2)
    assert kept.low < 0.5 and kept.high > 0.7


def test_every_site_has_a_front_of_its_own(data):
    fronts = {(group.site, group.label[-4:].strip()): group.fronts for group in data.groups}
    both = ("ce_loss_recovered", "explained_variance")
    assert fronts == {("a", "k 8"): both, ("a", "k 16"): (), ("a", "k 32"): both, ("b", "k 8"): both}


def test_what_failed_is_said_and_not_drawn(data):
    assert not [group for group in data.groups if group.label.endswith("k 16") and group.site == "b"]
    assert any("b-k16-seed0 failed" in note and "loss is nan" in note for note in data.notes)
