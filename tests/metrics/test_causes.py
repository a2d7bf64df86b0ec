"""Causes are the tokens that carry a label, or that a match in the text as it reads has a part in."""

import re

import pytest
import torch
from oracles.planted_model import labelled_rows
from oracles.toy_model import ToyModel
from oracles.word_tokenizer import word_tokenizer
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from mechlab.core.errors import UsageError
from mechlab.corpora.rows import TokenRows
from mechlab.metrics.causes import Spelling, labelled_cause, regex_cause, right_before
from mechlab.models.tokenizer import HuggingFaceTokenizer

TEXT = "Das Mädchen aß 東京 früh, im Mai und im März 🐉 war naïve Äpfel."


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


def test_what_comes_right_before_is_the_scored_token_in_front_of_each_stretch():
    special = torch.tensor([[1, 0, 0, 0, 0, 0], [1, 0, 0, 1, 0, 0], [0, 0, 0, 0, 0, 0]]).bool()
    cause = torch.tensor([[0, 0, 0, 1, 1, 0], [0, 1, 0, 0, 1, 0], [1, 0, 1, 0, 0, 1]]).bool()
    wanted = torch.tensor([[0, 0, 1, 0, 0, 0], [0, 0, 0, 0, 0, 0], [0, 1, 0, 0, 1, 0]]).bool()
    rows = TokenRows(torch.zeros_like(special, dtype=torch.int32), special, "rows")
    assert right_before(rows, cause[~special]).tolist() == wanted[~special].tolist()
    with pytest.raises(UsageError, match="no token belongs to this cause: 'what comes right before"):
        right_before(rows, torch.zeros_like(cause[~special]))
