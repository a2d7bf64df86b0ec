"""The index holds every scored token's codes in the order of the corpus, and counts them as a plain set would."""

import json
from collections import Counter

import pytest
import torch
from oracles.tiny_models import tiny, token_rows

from mechlab.core.errors import ArtifactError, UsageError
from mechlab.corpora.rows import TokenRows
from mechlab.dictionaries.codebook import Codebook, CodebookConfig
from mechlab.interventions.codebook_model import CodebookModel
from mechlab.metrics import code_index
from mechlab.metrics.code_index import BookSize, CodeIndex, count_codes, index_codes, once_each
from mechlab.models.loaders import load

CONFIGS = {
    "z.0": CodebookConfig(d_in=32, n_codes=15, k=2, n_groups=4),
    "mlp_out.1": CodebookConfig(d_in=32, n_codes=40, k=3),
}


def codebook_model() -> CodebookModel:
    codebooks = {site: Codebook(config, seed) for seed, (site, config) in enumerate(CONFIGS.items())}
    return CodebookModel(load(tiny("gpt2"), device="cpu"), codebooks)


def plain_rows(n_rows: int = 23, n_pos: int = 17) -> TokenRows:
    tokens = token_rows(n_rows, n_pos)
    return TokenRows(tokens.int(), tokens % 7 == 0, "rows")


@pytest.fixture(scope="module")
def model() -> CodebookModel:
    return codebook_model()


@pytest.fixture(scope="module")
def rows() -> TokenRows:
    return plain_rows()


@pytest.fixture(scope="module")
def index(model, rows) -> CodeIndex:
    return index_codes(model, rows, batch_rows=4)


def test_every_scored_token_has_its_codes_in_the_order_of_the_corpus(model, rows, index):
    codes = model.codes(rows.tokens)
    places = [(r, p) for r in range(len(rows)) for p in range(rows.row_length) if not rows.special[r, p]]
    assert 0 < len(places) == len(index) < rows.n_tokens
    assert list(zip(index.row.tolist(), index.position.tolist(), strict=True)) == places
    assert set(index.codes) == set(CONFIGS)
    for site, table in index.codes.items():
        assert table.tolist() == [codes[site][r, p].flatten().tolist() for r, p in places]


def test_batches_do_not_show(model, rows, index):
    together = index_codes(model, rows, batch_rows=100)
    assert all(torch.equal(together.codes[site], table) for site, table in index.codes.items())


def test_totals_are_what_a_counter_counts(index):
    for site, table in index.codes.items():
        counter = Counter(table.flatten().tolist())
        assert index.totals[site].tolist() == [counter[code] for code in range(CONFIGS[site].n_all)]
        assert index.totals[site].sum() == table.numel()


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("at_once", [7, 1 << 21])
def test_uses_are_what_sets_count(index, share, at_once, monkeypatch):
    monkeypatch.setattr(code_index, "ENTRIES_AT_ONCE", at_once)
    mask = torch.rand(len(index), generator=torch.Generator().manual_seed(3)) < share
    for site, table in index.codes.items():
        sets = [set(codes) for codes, inside in zip(table.tolist(), mask.tolist(), strict=True) if inside]
        expected = [sum(code in one for one in sets) for code in range(CONFIGS[site].n_all)]
        assert index.uses(site, mask).tolist() == expected


@pytest.mark.parametrize("at_once", [7, 1 << 21])
def test_the_tokens_of_a_code_are_all_that_hold_it(index, at_once, monkeypatch):
    monkeypatch.setattr(code_index, "ENTRIES_AT_ONCE", at_once)
    codes = [("z.0", 44), ("mlp_out.1", 39), ("z.0", 0), ("z.0", 31), ("mlp_out.1", 0)]
    for (site, code), found in zip(codes, index.active_on(codes), strict=True):
        assert found.tolist() == [place for place, own in enumerate(index.codes[site].tolist()) if code in own]
        assert len(found) == index.totals[site][code]


def test_a_code_that_stands_for_a_token_twice_counts_once(model, rows):
    def all_alike(ids):
        return ids[..., :1].expand_as(ids).clone()

    with model.edit_codes({"mlp_out.1": all_alike}):
        index = index_codes(model, rows)
    first, *others = index.codes["mlp_out.1"].T
    assert (first >= 0).all() and all((other == -1).all() for other in others)
    assert index.totals["mlp_out.1"].sum() == len(index)


def test_repetitions_are_left_out_where_they_stand():
    ids = torch.tensor([[[5, 3, 5, 3], [9, 9, 8, 9]]])
    assert once_each(ids).tolist() == [[[5, 3, -1, -1], [9, -1, 8, -1]]]
    assert once_each(torch.tensor([[[-1, -1]]])).tolist() == [[[-1, -1]]]


def test_empty_slots_are_not_counted():
    assert count_codes(torch.tensor([[0, -1], [2, 0]], dtype=torch.int16), 4).tolist() == [2, 0, 1, 0]


@pytest.mark.parametrize(("n_codes", "dtype"), [(32767, torch.int16), (32768, torch.int32)])
def test_codes_are_held_in_the_smallest_numbers_that_hold_them(n_codes, dtype):
    book = BookSize(n_groups=1, n_codes=n_codes, k=1)
    assert book.dtype == dtype
    last = torch.tensor([[n_codes - 1]], dtype=book.dtype)
    assert last.item() == n_codes - 1 and count_codes(last, n_codes)[-1] == 1


def test_all_codes_of_all_sites_have_one_numbering(index):
    assert list(map(index.place, (0, 59, 60, 99))) == [("z.0", 0), ("z.0", 59), ("mlp_out.1", 0), ("mlp_out.1", 39)]
    with pytest.raises(IndexError):
        index.place(100)


def test_an_index_is_restored_from_its_tables_and_facts(index):
    again = CodeIndex.restored(index.columns(), json.loads(json.dumps(index.facts())))
    assert (again.rows, again.n_rows, again.row_length, again.books) == ("rows", 23, 17, index.books)
    assert all(torch.equal(again.codes[site], table) for site, table in index.codes.items())
    assert all(torch.equal(again.totals[site], counts) for site, counts in index.totals.items())
    assert torch.equal(again.row, index.row) and torch.equal(again.position, index.position)
    assert list(again.codes) == list(again.totals) == list(again.books)


@pytest.mark.parametrize(
    ("columns", "facts", "message"),
    [
        ({}, {"n_rows": 0}, "n_rows"),
        ({"z.0": torch.zeros(5, 3, dtype=torch.int16)}, {}, "not those of its codebooks"),
        ({"z.9": torch.zeros(5, 3, dtype=torch.int16)}, {}, "not those of its codebooks"),
        ({"row": None}, {}, "not those of its codebooks"),
        ({}, {"totals": {"mlp_out.1": [0] * 40, "z.0": [0] * 59}}, "totals are not those"),
    ],
)
def test_what_does_not_belong_together_is_refused(index, columns, facts, message):
    changed = {name: table for name, table in (index.columns() | columns).items() if table is not None}
    with pytest.raises(ArtifactError, match=message):
        CodeIndex.restored(changed, index.facts() | facts)


def test_rows_that_were_not_indexed_are_refused(index, rows):
    index.refuse_other(rows)
    with pytest.raises(UsageError, match="index of codes is of other rows"):
        index.refuse_other(rows.select(slice(0, 5)))


def test_rows_without_text_are_refused(model, rows):
    blank = TokenRows(rows.tokens, torch.ones_like(rows.special), "blank")
    with pytest.raises(UsageError, match="no token to index"):
        index_codes(model, blank)
