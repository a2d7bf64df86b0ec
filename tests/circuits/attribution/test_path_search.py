"""Paths are those that brute force lists; complete ones sum to the target; what is wide enough finds them all."""

from functools import cache

import pytest
from circuits.attribution.small_passes import small_pass
from oracles.frozen_gradients import FrozenByHand
from oracles.path_enumeration import EveryPath

from mechlab.circuits.attribution.path_search import PathSearch, top_paths
from mechlab.circuits.attribution.paths import Step
from mechlab.circuits.attribution.targets import chosen_targets, logit_targets
from mechlab.core.errors import UsageError

ALL = PathSearch(beam=None, per_step=None)
CASES = [
    ("gpt2", "relu with a skip", False),
    ("gpt2", "crosslayer_transcoder", True),
    ("llama", "relu with a skip", True),
    ("llama", "topk", False),
]


@cache
def listed(family: str, kind: str, bos: bool):
    """Return a pass of two tokens, a feature of its second layer, and by brute force all paths to the feature."""
    model, frozen, sources = small_pass(family, kind, n_pos=2, bos=bos)
    feature = int(sources.feature[(sources.layer == 1) & (sources.position == 1)][0])
    targets = chosen_targets(frozen, 1, [(feature, 1)])
    by_hand = FrozenByHand(model.module, list(frozen.transcoders.layers), frozen.tokens[None], bos)
    return frozen, targets, EveryPath(by_hand).to(1, 1, targets.vectors[0], mid=True)


@pytest.mark.parametrize(("family", "kind", "bos"), CASES)
def test_without_bounds_every_path_is_found_with_what_it_brings(family, kind, bos):
    frozen, targets, wanted = listed(family, kind, bos)
    paths = top_paths(frozen, targets, n=None, search=ALL)
    found = {tuple(step.name for step in path.steps[:-1]): path.contribution for path in paths}
    found["bias@1",] -= float(targets.bias)  # the target's own
    exact = 1e-10 if family == "gpt2" else 1e-5  # a model's own RMS norm rounds to float32
    assert set(wanted) == set(found) and len(wanted) > 300
    assert max(abs(found[names] - wanted[names]) for names in wanted) < exact
    assert min(wanted.values()) < -0.01 < 0.01 < max(wanted.values())
    assert all(path.is_complete and path.effects[-1] == float(targets.values) for path in paths)


@pytest.mark.parametrize(
    ("family", "kind", "bos"),
    [*CASES, ("neox_parallel", "relu with a skip", True), ("gemma2", "relu with a skip", False)],
)
def test_complete_paths_sum_to_the_target_whatever_their_length(family, kind, bos):
    _, frozen, _ = small_pass(family, kind, n_pos=2, bos=bos)
    feature = chosen_targets(frozen, 1, [(3, -1)])
    paths = top_paths(frozen, feature, n=None, search=ALL)
    exact = 1e-6 if family == "gemma2" else 1e-10  # norms behind an MLP round to float32
    assert sum(path.contribution for path in paths) == pytest.approx(float(feature.values), abs=exact)
    longest = 3 if frozen.spec.parallel else 5
    assert len({path.steps for path in paths}) == len(paths) and max(map(len, paths)) == longest


def test_what_a_step_brings_is_what_all_paths_over_it_bring():
    frozen, targets, _ = listed("gpt2", "relu with a skip", False)
    over: dict[tuple[Step, ...], float] = {}
    for path in top_paths(frozen, targets, n=None, search=ALL):
        for first in range(len(path)):
            over[path.steps[first:]] = over.get(path.steps[first:], 0.0) + path.contribution
    every = top_paths(frozen, targets, n=None, search=PathSearch(beam=None, per_step=None, complete=False))
    assert len(every) == len(over) - 1  # but for the target alone
    assert max(abs(path.contribution - over[path.steps]) for path in every) < 1e-10


@pytest.mark.parametrize("sign", ["both", "positive", "negative"])
def test_the_largest_are_found_with_their_sign_by_a_wide_beam(sign):
    frozen, targets, wanted = listed("gpt2", "crosslayer_transcoder", True)
    found = top_paths(frozen, targets, n=12, search=PathSearch(sign=sign, per_step=None))
    asked = {"both": lambda one: True, "positive": lambda one: one > 0, "negative": lambda one: one < 0}[sign]
    own_bias = float(targets.bias)
    given = {names: one + own_bias * (names == ("bias@1",)) for names, one in wanted.items()}
    best = sorted((one for one in given.values() if asked(one)), key=abs, reverse=True)[:12]
    assert [path.contribution for path in found] == pytest.approx(best, abs=1e-10)


def test_a_narrow_beam_finds_true_paths_and_fewer():
    frozen, targets, wanted = listed("gpt2", "relu with a skip", False)
    found = top_paths(frozen, targets, n=None, search=PathSearch(beam=2, per_step=4))
    assert 4 <= len(found) < 30
    for path in found:
        names = tuple(step.name for step in path.steps[:-1])
        if names != ("bias@1",):
            assert path.contribution == pytest.approx(wanted[names], abs=1e-10)


def test_few_steps_and_a_narrow_beam_keep_what_brings_most_whatever_its_sign():
    frozen, targets, _ = listed("gpt2", "relu with a skip", False)
    short = PathSearch(beam=None, per_step=None, longest=3, complete=False)
    every = top_paths(frozen, targets, n=None, search=short)
    single, double = ([path for path in every if len(path) == length] for length in (2, 3))
    for width in (7, 12):
        few = PathSearch(beam=4, per_step=width, longest=3, complete=False)
        found = top_paths(frozen, targets, n=None, search=few)
        steps = [path for path in found if len(path) == 2]
        assert [path.steps for path in steps] == [path.steps for path in single[:width]]
        assert min(path.contribution for path in steps) < 0 < max(path.contribution for path in steps)
        open_ = [path.steps for path in steps if not path.is_complete][:4]
        below = [[path.steps for path in double if path.steps[1:] == one][:width] for one in open_]
        assert {path.steps for path in found if len(path) == 3} == {steps for some in below for steps in some}


def test_steps_that_are_left_out_are_not_taken_and_long_paths_are_cut():
    frozen, targets, _ = listed("gpt2", "relu with a skip", False)
    search = PathSearch(beam=None, per_step=None, leave_out=("position=0", "head layer>0", "error"), longest=4)
    found = top_paths(frozen, targets, n=None, search=search)
    whole = top_paths(frozen, targets, n=None, search=ALL)

    def may_stay(path):
        steps = path.steps[:-1]
        at_first = any(step.position == 0 for step in steps)
        late = any(step.kind == "head" and step.layer == 1 for step in steps)
        return not (at_first or late or steps[0].kind == "error") and len(path) <= 4

    assert {path.steps for path in found} == {path.steps for path in whole if may_stay(path)}
    assert 10 < len(found) < len(whole)


def test_several_targets_have_paths_of_their_own_under_their_names():
    _, frozen, _ = small_pass("gpt2", n_pos=4)
    targets = logit_targets(frozen, (3, 7), (-1,))
    found = top_paths(frozen, targets, n=40, names=("three", "seven"))
    assert {path.steps[-1].name for path in found} == {"three@3", "seven@3"}
    sizes = [abs(path.contribution) for path in found]
    assert sizes == sorted(sizes, reverse=True) and str(found[0]).count(" → ") == len(found[0]) - 1


def test_a_pattern_that_says_nothing_and_names_that_do_not_fit_are_refused():
    frozen, targets, _ = listed("gpt2", "relu with a skip", False)
    with pytest.raises(UsageError, match=r"names do not fit the targets: 2\. There are 1"):
        top_paths(frozen, targets, names=("one", "two"))
    with pytest.raises(UsageError, match="no such kind or condition of a step: 'layers<3'"):
        top_paths(frozen, targets, search=PathSearch(leave_out=("layers<3",)))
