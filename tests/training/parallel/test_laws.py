"""Several processes train what one trains, whatever the kind; a kind is tested in every way it says it supports."""

from typing import Any

import pytest
import small_crew
import torch
from oracles.thread_group import together
from small_crew import Case
from torch import Tensor

from mechlab.dictionaries import KINDS
from mechlab.training.parallel import CREWS
from mechlab.training.parallel.crew import ONE

TOLERANCE = 1e-5
CASES = pytest.mark.parametrize("case", small_crew.cases(), ids=lambda case: case.name)


def distance(left: dict[str, Tensor], right: dict[str, Tensor]) -> Tensor:
    """Return the distance of all parameters and buffers together."""
    return torch.stack([(left[name] - right[name]).double().norm() for name in left]).norm()


def is_the_same(case: Case, found: dict[str, Tensor], wanted: dict[str, Tensor]) -> bool:
    """Return whether two ends of training differ by no more than the tolerance, as part of the total change."""
    start = case.dictionary().state_dict()
    ends = [{name: end[name] for name in start} for end in (found, wanted)]
    return bool(distance(*ends) <= TOLERANCE * distance(start, ends[1]))


def assert_same_log(found: list[dict[str, float]], wanted: list[dict[str, float]]) -> None:
    assert len(wanted) == len(found) == 3
    for ours, theirs in zip(wanted, found, strict=True):
        assert theirs == pytest.approx(ours, rel=TOLERANCE, abs=1e-6)


@CASES
def test_two_processes_end_in_the_weights_of_one(case: Case, by_two: dict[str, Any]) -> None:
    alone, log = small_crew.trained(case)
    together_ = by_two[case.name]
    assert is_the_same(case, together_.tensors, alone)
    assert together_.tensors["n_dead"] == alone["n_dead"]
    assert_same_log(together_.log, log)


@pytest.mark.parametrize("n", [3, 4])
@CASES
def test_so_do_more(case: Case, n: int) -> None:
    alone, log = small_crew.trained(case)
    for tensors, theirs in together(n, lambda group: small_crew.trained(case, CREWS[case.way](group))):
        assert is_the_same(case, tensors, alone)
        assert_same_log(theirs, log)


def test_the_cases_have_something_to_share() -> None:
    """Dead features beyond what the auxiliary loss takes, and fewer; thresholds that moved; a clipped gradient."""
    dead = {case.name: int(small_crew.trained(case)[0]["n_dead"]) for case in small_crew.cases()}
    assert max(dead.values()) > small_crew.D_IN // 2
    assert any(0 < n <= 20 for n in dead.values())
    threshold = small_crew.trained(Case("batchtopk", "rows"))[0]["topk_threshold"]
    assert threshold > 0


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_can_be_trained_by_rows_or_says_that_it_cannot(kind: str) -> None:
    assert ONE.can_train(KINDS[kind])
    assert set(small_crew.ways(kind)) == vars(KINDS[kind]).get("parallel", {"rows"})


@pytest.mark.parametrize("kind", ["topk", "batchtopk", "relu", "jumprelu"])
def test_the_plain_kinds_can_be_shared_in_every_way(kind: str) -> None:
    assert small_crew.ways(kind) == list(CREWS)


def test_a_kind_does_not_inherit_what_the_kind_it_extends_can_share() -> None:
    class Nested(KINDS["batchtopk"]):
        kind = "nested"

    assert CREWS["features"].can_train(KINDS["batchtopk"])
    assert not CREWS["features"].can_train(Nested)
    assert CREWS["rows"].can_train(Nested)
