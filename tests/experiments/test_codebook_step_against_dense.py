import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from experiment_pieces import pieces_of
from oracles.dense_codebook import dense_snap

PLACE = "008_a_codebook_step_against_dense"
NAMES = ("cases", "dense", "timing", "memory", "exactness", "run")


@pytest.fixture(scope="module")
def pieces() -> Iterator[SimpleNamespace]:
    with pieces_of(PLACE, *NAMES) as found:
        yield found


@pytest.fixture
def case(pieces: SimpleNamespace) -> object:
    return pieces.cases.Case(12, n_groups=2, k=3, n_tokens=20, n_codes=40)


def test_a_cases_vectors_lie_around_its_points(pieces: SimpleNamespace) -> None:
    around = pieces.cases.Case(12, n_groups=1, k=1, n_tokens=20, n_points=3, n_codes=40)
    first, again = (pieces.cases.batch(around, 5) for _ in range(2))
    assert torch.equal(first.x, again.x) and torch.equal(first.grad, again.grad)
    near = torch.cdist(first.x, first.x) < 9 * pieces.cases.NEARNESS
    assert len(near.int().unique(dim=0)) == 3
    assert around.name == "d 12, 1 x 40 codes, k 1, 20 tokens around 3 points"


def test_codes_lie_around_the_same_points_where_they_are_to(pieces: SimpleNamespace) -> None:
    case = pieces.cases.Case(12, n_groups=1, k=1, n_tokens=20, n_points=3, codes_too=True, n_codes=40)
    ours, dense = pieces.cases.Ours(case), pieces.cases.Dense(case)
    assert torch.equal(ours.codes, dense.codes)
    vectors = torch.nn.functional.layer_norm(pieces.cases.batch(case, 5).x, (12,))
    assert float(torch.cdist(vectors, ours.codes).amin(1).max()) < 9 * pieces.cases.NEARNESS


def test_the_dense_side_takes_the_step_of_plain_autograd(pieces: SimpleNamespace, case: object) -> None:
    given = pieces.cases.batch(case, 0)
    dense = pieces.cases.Dense(case, torch.float64)
    codes = dense.codes.clone().requires_grad_()
    x = given.x.double()
    output, ids, error = dense_snap(x, codes, case.config)
    ((output * given.grad).sum() + error).backward()
    torch.testing.assert_close(dense.book(x)[0], output, rtol=1e-12, atol=1e-14)
    assert torch.equal(dense.gradients(given), ids % case.n_codes)
    torch.testing.assert_close(pieces.exactness.gradient(dense), codes.grad, rtol=1e-12, atol=1e-14)
    given_ids = pieces.cases.Dense(case, torch.float64)
    given_ids.gradients(given, ids % case.n_codes)
    assert torch.equal(pieces.exactness.gradient(given_ids), pieces.exactness.gradient(dense))


def test_both_sides_start_alike_choose_alike_and_part_only_where_a_code_is_left_alone(
    pieces: SimpleNamespace, case: object
) -> None:
    row = pieces.exactness.first_step(case, pieces.cases.batch(case, 0))
    assert row["mechlab"]["other_codes"] == row["dense"]["other_codes"] == 0
    assert row["mechlab"]["gradient"] < 1e-6 > row["dense"]["gradient"]
    found = pieces.exactness.updates(case, [pieces.cases.batch(case, seed) for seed in range(3)])
    assert found["from_sparse_rule"] < 1e-3 < found["from_adam"]
    assert found["from_adam_after_one"] < 1e-5
    assert 0 < found["always_chosen"] < 1


def test_times_are_of_all_sides_and_codes_in_use_are_counted_by_group(
    pieces: SimpleNamespace, case: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pieces.timing, "ROUNDS", 3)
    row = pieces.timing.joined(pieces.timing.both_sides(case), pieces.timing.dense_helped(case))
    assert row["ratio"] == row["dense_ms"] / row["mechlab_ms"]
    assert row["ratio_helped"] == row["dense_helped_ms"] / row["mechlab_ms"]
    low, high = row["ratio_from_to"]
    assert 0 < low <= high
    ids = torch.tensor([[[0, 1, 2], [0, 1, 2]], [[0, 1, 3], [0, 1, 2]]])
    assert pieces.timing.share_used(ids, case) == pytest.approx(7 / 80)


def test_memory_is_compared_without_and_with_codes_and_moments(pieces: SimpleNamespace, case: object) -> None:
    row = pieces.memory.compared(case, dense_mb=2.0, mechlab_mb=0.5)
    held = 3 * 4 * 40 * 12 / 1e6
    assert row["part"] == 0.25 and row["codes_and_moments_mb"] == held
    assert row["part_with_them"] == pytest.approx((held + 0.5) / (held + 2))
    assert pieces.memory.measured_here(case, "mechlab") >= 0


def test_a_row_takes_the_place_of_the_same_cases_on_the_same_processor(pieces: SimpleNamespace, tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    for row in ({"case": "a", "ratio": 1}, {"case": "b", "ratio": 2}, {"case": "a", "ratio": 3}):
        pieces.run.write(path, "timing", row)
    pieces.run.write(path, "memory", {"case": "a", "part": 4})
    (here,) = json.loads(path.read_text())["machines"].values()
    assert here["timing"] == [{"case": "a", "ratio": 3}, {"case": "b", "ratio": 2}]
    assert here["memory"] == [{"case": "a", "part": 4}]
