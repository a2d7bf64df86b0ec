"""Codes are found as plain sets would find them."""

import time
from dataclasses import replace

import pytest
import torch
from metrics.test_code_index import codebook_model, plain_rows
from sklearn.metrics import f1_score, precision_score, recall_score

from mechlab.core.errors import UsageError
from mechlab.metrics import code_search
from mechlab.metrics.code_index import BookSize, CodeIndex, count_codes, index_codes
from mechlab.metrics.code_search import intervals, null_match, rank_codes


@pytest.fixture(scope="module")
def index() -> CodeIndex:
    return index_codes(codebook_model(), plain_rows())


@pytest.fixture(scope="module")
def planted(index) -> int:
    """The code of group 1 at z.0 that is active on nearest to a fifth of the tokens."""
    return 15 + int((index.totals["z.0"][15:30] - len(index) / 5).abs().argmin())


@pytest.fixture(scope="module")
def cause(index, planted) -> torch.Tensor:
    """A tenth of the tokens, and all but a few of those of the planted code."""
    mask = torch.rand(len(index), generator=torch.Generator().manual_seed(1)) < 0.1
    mask[index.active_on([("z.0", planted)])[0][3:]] = True
    return mask


def by_sets(index: CodeIndex, mask: torch.Tensor) -> dict[tuple[str, int], tuple[int, int]]:
    """Return how many tokens each used code is active on, and how many of them are the cause's."""
    wanted, found = set(mask.nonzero()[:, 0].tolist()), {}
    for site, table in index.codes.items():
        places: dict[int, set[int]] = {}
        for place, codes in enumerate(table.tolist()):
            for code in codes:
                places.setdefault(code, set()).add(place)
        found |= {(site, code): (len(own), len(own & wanted)) for code, own in places.items()}
    return found


def synthetic(n_rows: int, row_length: int, n_codes: int = 500, n_sites: int = 2) -> CodeIndex:
    draw = torch.Generator().manual_seed(0)
    book = BookSize(n_groups=2, n_codes=n_codes, k=4)
    n = n_rows * row_length
    groups = torch.arange(2)[:, None] * n_codes + torch.arange(4)
    codes = {
        f"mlp_out.{site}": (torch.randint(0, n_codes // 4, (n, 2, 4), generator=draw) * 4 + groups).flatten(1).short()
        for site in range(n_sites)
    }
    place = torch.arange(n)
    where = (place // row_length).int(), (place % row_length).int()
    totals = {site: count_codes(table, book.n_all) for site, table in codes.items()}
    return CodeIndex("synthetic", n_rows, row_length, *where, dict.fromkeys(codes, book), codes, totals)


def test_the_ranking_is_that_of_sets(index, cause, planted):
    counted = by_sets(index, cause)
    n_cause = int(cause.sum())
    sites = list(index.books)
    expected = [
        (-2 * hits / (uses + n_cause), sites.index(site), code)
        for (site, code), (uses, hits) in counted.items()
        if hits / n_cause >= 0.01
    ]
    found = rank_codes(index, cause, n=len(expected) + 1)
    assert [(-one.f1, sites.index(one.site), one.code) for one in found] == sorted(expected)
    assert (found[0].site, found[0].code, found[0].group) == ("z.0", planted, 1)
    for one in found:
        assert (one.n_active, one.n_hits) == counted[one.site, one.code] and one.n_cause == n_cause


def test_scores_are_those_of_scikit_learn(index, cause):
    for one in rank_codes(index, cause, n=5):
        said = (index.codes[one.site] == one.code).any(1)
        for score, own, interval in (
            (precision_score, one.precision, one.intervals.precision),
            (recall_score, one.recall, one.intervals.recall),
            (f1_score, one.f1, one.intervals.f1),
        ):
            assert own == pytest.approx(score(cause.numpy(), said.numpy()))
            assert interval.value == pytest.approx(own) and interval.low <= own <= interval.high
            assert interval.n == 23


@pytest.mark.parametrize("by", ["precision", "recall"])
def test_the_ranking_can_be_by_one_score_with_floors_under_both(index, cause, by):
    found = rank_codes(index, cause, min_recall=0.05, min_precision=0.1, n=500, by=by)
    values = [(getattr(one, by), one.f1) for one in found]
    assert values == sorted(values, reverse=True)
    n_cause = int(cause.sum())
    fitting = [1 for uses, hits in by_sets(index, cause).values() if hits / uses >= 0.1 and hits / n_cause >= 0.05]
    assert len(found) == len(fitting) > 3
    assert rank_codes(index, cause, min_precision=1.01) == ()


def test_intervals_redraw_rows_and_hold_what_rows_scatter():
    """With n rows of which a third hold the code, its recall scatters as a share of rows does."""
    index = synthetic(90, 10)
    code, mask = torch.full((900, 8), -1, dtype=torch.int16), torch.ones(900, dtype=torch.bool)
    code[:300, 0] = 7
    index = replace(index, codes={"mlp_out.0": code}, totals={"mlp_out.0": count_codes(code, 1000)},
                    books={"mlp_out.0": index.books["mlp_out.0"]})  # fmt: skip
    (one,) = rank_codes(index, mask)
    spread = 1.96 * (1 / 3 * 2 / 3 / 90) ** 0.5
    assert one.recall == pytest.approx(1 / 3)
    assert one.intervals.recall.high - one.recall == pytest.approx(spread, rel=0.15)
    assert one.intervals.precision.low == one.intervals.precision.high == 1


def test_where_there_are_many_rows_neighbours_are_redrawn_together(index, cause, monkeypatch):
    monkeypatch.setattr(code_search, "MOST_UNITS", 10)
    assert rank_codes(index, cause, n=1)[0].intervals.recall.n == 8


def test_what_few_rows_hold_has_no_interval():
    found = intervals([torch.tensor([0])], [torch.tensor([True, False, True])], torch.tensor([0, 1, 2]), 3)
    assert found[0].precision is None and found[0].recall is not None


def test_the_null_is_the_best_code_for_the_cause_half_a_corpus_on(index, cause):
    grid = torch.zeros(23, 17, dtype=torch.bool)
    for place, inside in enumerate(cause.tolist()):
        grid[(int(index.row[place]) + 11) % 23, int(index.position[place])] = inside
    moved = grid[index.row.long(), index.position.long()]
    assert null_match(index, cause) == replace(rank_codes(index, moved, min_recall=0, n=1)[0], intervals=None)
    assert null_match(index, cause).f1 < rank_codes(index, cause)[0].f1


def test_a_cause_of_all_tokens_is_its_own_null():
    index = synthetic(21, 10)
    everything = torch.ones(len(index), dtype=torch.bool)
    assert null_match(index, everything).f1 == rank_codes(index, everything, n=1)[0].f1


def test_a_cause_without_a_token_is_refused(index):
    with pytest.raises(UsageError, match="no token belongs to this cause"):
        rank_codes(index, torch.zeros(len(index), dtype=torch.bool))


def test_a_search_with_intervals_is_several_times_faster_than_counting_sets():
    index = synthetic(400, 100)
    mask = torch.rand(len(index), generator=torch.Generator().manual_seed(2)) < 0.3
    assert len(rank_codes(index, mask, min_recall=0)) == 20
    start = time.process_time()
    rank_codes(index, mask, min_recall=0)
    tables = time.process_time() - start
    start = time.process_time()
    by_sets(index, mask)
    assert time.process_time() - start > 3 * tables
