"""A portrait tells what a code is active on and which cause it fits: read off planted codes and by brute force."""

from collections import Counter
from dataclasses import replace

import pytest
import torch
from oracles.planted_model import labelled_rows
from oracles.toy_model import D_VOCAB, ToyModel

from mechlab.core.errors import UsageError
from mechlab.corpora.rows import TokenRows
from mechlab.metrics.code_index import BookSize, CodeIndex, count_codes
from mechlab.metrics.code_portraits import CodePortraitConfig, code_portraits
from mechlab.metrics.code_search import rank_codes

KNOWN, NOISE = "mlp_out.0", "mlp_out.1"
FITTING = {(KNOWN, 1): "colour=red", (KNOWN, 2): "colour=green", (KNOWN, 3): "colour=blue", (KNOWN, 4): "colour=grey",
           (KNOWN, 11): "shape=round", (KNOWN, 12): "shape=square"}  # fmt: skip


def planted_index(rows: TokenRows) -> CodeIndex:
    """Return an index whose codes at one site are the tokens' own numbers, and at another mean nothing."""
    row, position = (~rows.special).nonzero().int().T.contiguous()
    own = rows.tokens[~rows.special].short()[:, None]
    draw = torch.Generator().manual_seed(4)
    noise = torch.randint(0, 30, (len(own), 1), generator=draw)
    codes = {KNOWN: own, NOISE: torch.cat([noise, 30 + (noise * 7 + own) % 30], dim=1).short()}
    books = {KNOWN: BookSize(n_groups=1, n_codes=D_VOCAB, k=1), NOISE: BookSize(n_groups=2, n_codes=30, k=1)}
    totals = {site: count_codes(table, books[site].n_all) for site, table in codes.items()}
    return CodeIndex(rows.fingerprint, len(rows), rows.row_length, row, position, books, codes, totals)


@pytest.fixture(scope="module")
def rows() -> TokenRows:
    return labelled_rows()


@pytest.fixture(scope="module")
def index(rows) -> CodeIndex:
    return planted_index(rows)


@pytest.fixture(scope="module")
def gallery(index, rows):
    found = code_portraits(ToyModel(), index, rows, CodePortraitConfig(n_codes=40, n_per_cause=1))
    return {(one.site, one.code): one for one in found}


def test_the_codes_of_known_causes_come_first_and_then_those_used_most_site_by_site(gallery, index):
    codes = list(gallery)
    assert len(codes) == 40 and set(codes[:6]) == set(FITTING)
    used = {site: [code for code in codes[6:] if code[0] == site] for site in (KNOWN, NOISE)}
    for site, own in used.items():
        counts = [int(index.totals[site][code]) for _, code in own]
        assert counts == sorted(counts, reverse=True)
        left = [int(n) for code, n in enumerate(index.totals[site]) if n and (site, code) not in codes]
        assert not left or max(left) <= counts[-1]
    rest = [site for site, _ in codes[6:]]
    assert {KNOWN, NOISE} == set(rest[:2])


def test_a_code_fits_the_cause_it_stands_for_and_chance_does_not(gallery):
    for code, name in FITTING.items():
        fit = gallery[code].fit
        assert (fit.name, fit.match.f1, fit.match.code) == (name, 1, code[1])
        assert fit.match.intervals.precision.value == fit.match.intervals.recall.low == 1
        assert fit.match.intervals.f1.n == 40
        assert 0 < fit.by_chance < 0.2


def test_the_fit_is_counted_on_the_rows_not_chosen_on(gallery, index, rows):
    unseen = index.row % 2 == 1
    for (site, code), one in gallery.items():
        if one.fit is None:
            continue
        label, _, value = one.fit.name.partition("=")
        cause = (rows.labels[label] == rows.label_names[label].index(value))[~rows.special] & unseen
        active = (index.codes[site] == code).any(1) & unseen
        match = one.fit.match
        assert (match.n_active, match.n_hits, match.n_cause) == (active.sum(), (active & cause).sum(), cause.sum())
        assert match.intervals.f1 is None or match.intervals.f1.value == pytest.approx(match.f1)


def test_the_cause_of_a_code_is_the_best_on_the_rows_chosen_on(gallery, index, rows):
    seen = index.row % 2 == 0
    for site, code in [(NOISE, code) for s, code in gallery if s == NOISE][:8]:
        active = (index.codes[site] == code).any(1) & seen
        f1 = {}
        for label, values in rows.label_names.items():
            for number, value in enumerate(values):
                cause = (rows.labels[label] == number)[~rows.special] & seen
                f1[f"{label}={value}"] = 2 * (active & cause).sum() / (active.sum() + cause.sum())
        assert f1[gallery[site, code].fit.name] == max(f1.values())


def test_each_cause_gives_as_many_codes_as_asked(index, rows):
    config = CodePortraitConfig(n_codes=12, n_per_cause=2)
    found = [(one.site, one.code) for one in code_portraits(ToyModel(), index, rows, config)]
    assert set(found[:6]) == set(FITTING)
    halves = index.row % 2 == 0
    for name in FITTING.values():
        label, _, value = name.partition("=")
        cause = (rows.labels[label] == rows.label_names[label].index(value))[~rows.special]
        seen = replace(index, totals={site: index.uses(site, halves) for site in index.books})
        ranked = rank_codes(seen, cause & halves, min_recall=0, n=100)
        second = {(one.site, one.code) for one in ranked if one.f1 == ranked[1].f1}
        assert second & set(found[6:])


def test_uses_tokens_and_groups_are_those_counted_by_hand(gallery, index, rows):
    text = rows.tokens[~rows.special].tolist()
    for (site, code), one in gallery.items():
        places = [place for place, own in enumerate(index.codes[site].tolist()) if code in own]
        counter = Counter(str(text[place]) for place in places)
        assert (one.n_uses, one.n_tokens, one.group) == (len(places), len(index), code // index.books[site].n_codes)
        assert [n for _, n in one.tokens] == sorted(counter.values(), reverse=True)[:8]
        assert all(counter[token] == n for token, n in one.tokens)


def test_contexts_are_of_different_rows_and_show_where_the_code_is_active(gallery, index, rows):
    for (site, code), one in gallery.items():
        holding = {int(row) for row, own in zip(index.row, index.codes[site].tolist(), strict=True) if code in own}
        assert len({context.row for context in one.contexts}) == len(one.contexts) == min(4, len(holding))
        active = torch.zeros(rows.tokens.shape)
        active[~rows.special] = (index.codes[site] == code).any(1).float()
        for context in one.contexts:
            shown = slice(context.start, context.start + len(context.tokens))
            assert context.activations == tuple(active[context.row, shown].tolist())
            assert context.tokens == tuple(map(str, rows.tokens[context.row, shown].tolist()))
            assert context.activations[context.focus] == 1
            assert context.focus <= 16 and len(context.tokens) - context.focus <= 9


def test_contexts_are_drawn_evenly_from_the_rows_and_from_the_tokens_of_each(index, rows):
    seen, places = Counter(), set()
    for seed in range(100):
        config = CodePortraitConfig(codes=((KNOWN, 2),), seed=seed)
        contexts = code_portraits(ToyModel(), index, rows, config)[0].contexts
        seen.update(context.row for context in contexts)
        places |= {(context.row, context.start + context.focus) for context in contexts}
    active = index.active_on([(KNOWN, 2)])[0]
    holding = index.row[active].unique().tolist()
    assert set(seen) == set(holding) and len(holding) < 0.8 * len(active)
    assert max(seen.values()) < 4 * 400 / len(holding)
    assert len(places) > 0.9 * len(active)


def test_codes_that_never_meet_a_cause_are_not_shown_for_it(index, rows):
    alone = replace(index, books={KNOWN: index.books[KNOWN]}, totals={KNOWN: index.totals[KNOWN]})
    found = code_portraits(ToyModel(), alone, rows, CodePortraitConfig(n_codes=20, n_per_cause=5))
    assert {(one.site, one.code) for one in found[:6]} == set(FITTING)
    assert [one.n_uses for one in found[6:]] == sorted((one.n_uses for one in found[6:]), reverse=True)


def test_equal_seeds_draw_equal_portraits(gallery, index, rows):
    again = code_portraits(ToyModel(), index, rows, CodePortraitConfig(n_codes=40, n_per_cause=1))
    assert {(one.site, one.code): one for one in again} == gallery


def test_without_labels_codes_are_shown_by_their_use(index, rows):
    plain = TokenRows(rows.tokens, rows.special, rows.fingerprint)
    found = code_portraits(ToyModel(), index, plain, CodePortraitConfig(n_codes=5))
    assert [one.fit for one in found] == [None] * 5
    assert [one.site for one in found] == [KNOWN, NOISE, KNOWN, NOISE, KNOWN]


def test_a_code_nobody_uses_can_be_asked_for(index, rows):
    (one,) = code_portraits(ToyModel(), index, rows, CodePortraitConfig(codes=((KNOWN, 0),)))
    assert (one.n_uses, one.fit, one.tokens, one.contexts) == (0, None, (), ())


def test_one_row_leaves_none_to_judge_by():
    rows = labelled_rows(n_rows=1, pos=200)
    found = code_portraits(ToyModel(), planted_index(rows), rows, CodePortraitConfig(n_codes=3, min_positives=1))
    assert [one.fit for one in found] == [None] * 3


@pytest.mark.parametrize(
    ("code", "message"),
    [(("z.0", 1), "no codes at this site: 'z.0'. There are at mlp_out.0, mlp_out.1"),
     ((NOISE, 60), r"no such code at mlp_out.1: 60. Codes are 0\.\.59")],
)  # fmt: skip
def test_a_code_that_does_not_exist_is_refused(index, rows, code, message):
    with pytest.raises(UsageError, match=message):
        code_portraits(ToyModel(), index, rows, CodePortraitConfig(codes=(code,)))


def test_rows_that_were_not_indexed_are_refused(index, rows):
    with pytest.raises(UsageError, match="of other rows"):
        code_portraits(ToyModel(), index, rows.select(slice(0, 40)))
