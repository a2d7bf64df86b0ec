"""A path followed brings what the search says, and nothing where one of its steps is not there."""

from dataclasses import replace

import pytest
from circuits.attribution.small_passes import small_pass

from mechlab.circuits.attribution.path_filters import paths_with
from mechlab.circuits.attribution.path_following import followed_paths
from mechlab.circuits.attribution.path_search import PathSearch, top_paths
from mechlab.circuits.attribution.targets import logit_targets
from mechlab.core.errors import UsageError

WIDE = PathSearch(beam=120, per_step=24, complete=False)
FEW = PathSearch(beam=30, per_step=30)


@pytest.mark.parametrize(
    ("family", "kind", "bos"),
    [("gpt2", "relu with a skip", False), ("llama", "crosslayer_transcoder", True), ("neox_parallel", "topk", True)],
)
def test_paths_bring_what_the_search_says(family, kind, bos):
    _, frozen, sources = small_pass(family, kind, n_pos=4, bos=bos)
    targets = logit_targets(frozen, (3, 7), (-1, 2))
    found = top_paths(frozen, targets, n=600, search=WIDE)
    followed = followed_paths(frozen, targets, [path.steps for path in found], sources=sources)
    assert [path.steps for path in followed] == [path.steps for path in found]
    for own, other in zip(followed, found, strict=True):
        assert own.effects == pytest.approx(other.effects, abs=1e-10)
    assert len({path.steps[-1] for path in found}) == 4 and max(map(len, found)) > 4


def test_over_a_step_that_is_not_there_nothing_comes():
    _, frozen, sources = small_pass("gpt2", n_pos=4)
    targets = logit_targets(frozen, (3,))
    found = paths_with(top_paths(frozen, targets, n=400, search=FEW), beginning=["token", "feature"])[0]
    first, feature, *above = found.steps
    off = next(n for n in range(24) if not ((sources.feature == n) & (sources.position == feature.position)).any())
    broken = (first, replace(feature, number=off), *above)
    elsewhere = (replace(first, position=0), *found.steps[1:])
    ours, other, moved = followed_paths(frozen, targets, [found.steps, broken, elsewhere])
    assert ours.effects == pytest.approx(found.effects) and other.effects[:2] == (0, 0)
    assert other.effects[2:] == pytest.approx(found.effects[2:])
    assert feature.position != 0 and moved.effects[0] == 0 != moved.effects[1]


def test_a_head_that_writes_elsewhere_brings_nothing():
    _, frozen, _ = small_pass("gpt2", n_pos=4)
    targets = logit_targets(frozen, (3,))
    found = paths_with(top_paths(frozen, targets, n=400, search=FEW), beginning=["token", "head"])[0]
    first, head, *above = found.steps
    assert head.position is not None
    moved = (first, replace(head, position=head.position - 1), *above)
    assert followed_paths(frozen, targets, [moved])[0].effects[:2] == (0, 0) and found.effects[1] != 0


def test_a_path_to_no_target_is_refused():
    _, frozen, _ = small_pass("gpt2", n_pos=4)
    targets = logit_targets(frozen, (3, 7))
    steps = [path.steps for path in top_paths(frozen, targets, n=40, search=FEW) if path.steps[-1].number == 1]
    with pytest.raises(UsageError, match=r"does not end at a target: 'target\.1@3'"):
        followed_paths(frozen, logit_targets(frozen, (3,)), steps)
    with pytest.raises(UsageError, match="does not end at a target"):
        followed_paths(frozen, targets, [steps[0][:-1]])
