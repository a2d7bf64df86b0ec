"""Codes are found as plain sets would find them, causes in text as the text reads, neurons as scikit-learn counts."""

import re
import time
from dataclasses import replace

import pytest
import torch
from metrics.test_code_index import codebook_model, plain_rows
from oracles.planted_model import labelled_rows
from oracles.toy_model import ToyModel
from oracles.word_tokenizer import word_tokenizer
from sklearn.metrics import f1_score, precision_recall_curve, precision_score, recall_score
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from mechlab.core.errors import UsageError
from mechlab.corpora.rows import TokenRows
from mechlab.metrics import code_search
from mechlab.metrics.code_index import BookSize, CodeIndex, count_codes, index_codes
from mechlab.metrics.code_search import (
    Spelling,
    intervals,
    labelled_cause,
    neuron_at_recall,
    null_match,
    rank_codes,
    regex_cause,
)
from mechlab.models.tokenizer import HuggingFaceTokenizer

TEXT = "Das Mädchen aß 東京 früh, im Mai und im März 🐉 war naïve Äpfel."


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


@pytest.mark.parametrize("name", ["colour=blue", "colour"])
def test_a_labelled_cause_is_the_scored_tokens_that_carry_it(name):
    rows = labelled_rows(n_rows=9)
    expected = [
        (rows.labels["colour"][r, p] == 2) if "=" in name else (rows.labels["colour"][r, p] >= 0)
        for r in range(9) for p in range(rows.row_length) if not rows.special[r, p]
    ]  # fmt: skip
    assert labelled_cause(rows, name).tolist() == [bool(one) for one in expected]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("taste", "no such label: 'taste'. Labels are colour, shape"),
        ("colour=pink", "colour has no such value: 'pink'. Values are red, green, blue, grey"),
        ("shape=never", "no token belongs to this cause: 'shape=never'"),
    ],
)
def test_a_cause_that_is_not_there_is_refused(name, message):
    with pytest.raises(UsageError, match=message):
        labelled_cause(labelled_rows(n_rows=9), name)


def byte_tokenizer() -> HuggingFaceTokenizer:
    """Return a tokenizer whose tokens are single bytes and a few longer pieces, as in byte-level BPE."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = [("Ġ", "M"), ("ĠM", "a"), ("ĠMa", "i"), ("Ġ", "Ã"), ("i", "m")]
    pieces = ["<bos>", *alphabet, *(a + b for a, b in merges)]
    tokenizer = Tokenizer(models.BPE({piece: i for i, piece in enumerate(pieces)}, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return HuggingFaceTokenizer(PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<bos>"))


def reader(tokenizer: HuggingFaceTokenizer) -> ToyModel:
    model = ToyModel()
    model.tokenizer = tokenizer
    return model


def rows_of(tokenizer: HuggingFaceTokenizer, *texts: str) -> TokenRows:
    ids = [tokenizer.bos_id]
    for text in texts:
        ids += [*tokenizer.encode_with_offsets(text)[0], tokenizer.bos_id]
    tokens = torch.tensor([ids], dtype=torch.int32)
    return TokenRows(tokens, tokens == tokenizer.bos_id, "rows")


@pytest.mark.parametrize(
    "pattern", ["Mai", "ä", "Mä", "[äöü]", "🐉", "東", "京 f", "ïve ", "a", ".", r"\bim\b", r"h, \w+ M"]
)
def test_the_tokens_of_a_match_are_those_that_hold_a_byte_of_it(pattern):
    tokenizer = byte_tokenizer()
    rows = rows_of(tokenizer, TEXT)
    covered = set()
    for match in re.finditer(pattern, TEXT):
        covered |= set(range(len(TEXT[: match.start()].encode()), len(TEXT[: match.end()].encode())))
    expected, at = [], 0
    for token in rows.tokens[0, 1:-1].tolist():
        n_bytes = len(tokenizer.wrapped.convert_ids_to_tokens(token))
        expected.append(bool(covered & set(range(at, at + n_bytes))))
        at += n_bytes
    assert at == len(TEXT.encode())
    assert regex_cause(rows, reader(tokenizer), pattern).tolist() == expected


def test_the_text_is_the_tokenizers_own():
    for tokenizer, text in ((byte_tokenizer(), TEXT), (word_tokenizer("im Mai und März"), "im Mai und im März")):
        ids = tokenizer.encode_with_offsets(text)[0]
        spelled, begins, ends = Spelling(reader(tokenizer)).spelled(ids)
        assert spelled == tokenizer.decode(ids) == text
        assert len(begins) == len(ends) == len(ids) and ends[-1] == len(text)


def test_words_are_found_with_and_without_the_space_before_them():
    tokenizer = word_tokenizer("im Mai und März")
    rows = rows_of(tokenizer, "im Mai und im März", "März im Mai")
    model = reader(tokenizer)
    assert regex_cause(rows, model, "^im").tolist() == [True, *[False] * 7]
    assert regex_cause(rows, model, "im").nonzero()[:, 0].tolist() == [0, 3, 6]
    assert regex_cause(rows, model, "(?i)M(ai|ärz)$").nonzero()[:, 0].tolist() == [4, 7]
    assert regex_cause(rows, model, "im M").nonzero()[:, 0].tolist() == [0, 1, 3, 4, 6, 7]


def test_no_match_crosses_a_special_token():
    tokenizer = word_tokenizer("im Mai")
    rows, model = rows_of(tokenizer, "im", "Mai"), reader(tokenizer)
    with pytest.raises(UsageError, match=r"no token belongs to this cause: 'im\.\*Mai'"):
        regex_cause(rows, model, "im.*Mai")


def test_matches_of_nothing_are_no_matches():
    tokenizer = word_tokenizer("im Mai")
    rows, model = rows_of(tokenizer, "im Mai"), reader(tokenizer)
    assert regex_cause(rows, model, "a*").tolist() == [False, True]
    with pytest.raises(UsageError, match="no token belongs"):
        regex_cause(rows, model, "x*")


def test_a_pattern_that_does_not_compile_is_refused_in_one_line():
    tokenizer = word_tokenizer("im Mai")
    with pytest.raises(UsageError, match=r"^pattern does not compile: '\(Mai'. .*unterminated.*backslash") as caught:
        regex_cause(rows_of(tokenizer, "im Mai"), reader(tokenizer), "(Mai")
    assert "\n" not in str(caught.value)


def test_a_model_without_a_tokenizer_has_no_text():
    with pytest.raises(UsageError, match="no tokenizer"):
        regex_cause(labelled_rows(n_rows=2), ToyModel(), "a")


@pytest.mark.parametrize("negative", [False, True])
@pytest.mark.parametrize("decimals", [1, 6])
@pytest.mark.parametrize("recall", [0.013, 0.5, 2 / 3, 0.9, 1.0])
def test_a_neuron_at_a_recall_is_that_of_the_precision_recall_curve(recall, decimals, negative, monkeypatch):
    monkeypatch.setattr(code_search, "NEURONS_AT_ONCE", 4)
    draw = torch.Generator().manual_seed(0)
    mask = torch.rand(400, generator=draw) < 0.15
    activations = torch.randn(400, 11, generator=draw).round(decimals=decimals)
    activations[mask, 6] -= 1
    activations[mask, 9] += 0.7
    best = {}
    for sign in (1, -1) if negative else (1,):
        for neuron in range(11):
            scores = sign * activations[:, neuron].numpy()
            precision, reached, thresholds = precision_recall_curve(mask.numpy(), scores)
            last = (reached[:-1] >= recall - 1e-9).nonzero()[0][-1]
            best[neuron, sign] = (precision[last], reached[last], thresholds[last])
    found = neuron_at_recall(mask, activations, recall, negative=negative)
    assert found.precision == pytest.approx(max(values[0] for values in best.values()))
    values = best[found.neuron, found.sign]
    assert (found.precision, found.recall, found.threshold) == pytest.approx(values)
    said = found.sign * activations[:, found.neuron] >= found.threshold
    assert (found.n_active, found.n_hits, found.n_cause) == (said.sum(), (said & mask).sum(), mask.sum())


@pytest.mark.parametrize("recall", [0.0, -0.1, 1.01])
def test_a_recall_out_of_range_is_refused(recall):
    with pytest.raises(UsageError, match="recall is out of range"):
        neuron_at_recall(torch.tensor([True, False]), torch.zeros(2, 3), recall)


def test_the_recall_of_a_code_takes_exactly_as_many_tokens():
    """A share such as 7/25 must not ask for an eighth token because of how it is rounded."""
    for n_cause in range(1, 60):
        for n_hits in range(1, n_cause + 1):
            mask, activations = torch.ones(n_cause, dtype=torch.bool), torch.arange(float(n_cause))[:, None]
            assert neuron_at_recall(mask, activations, n_hits / n_cause).n_hits == n_hits
