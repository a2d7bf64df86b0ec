"""Concepts score texts: patterns and whole words by what is written, probes by where the reader's activations lie."""

import pytest
import torch
from oracles.tiny_models import D_MODEL, tiny
from oracles.word_tokenizer import word_tokenizer

from mechlab.core.errors import UsageError
from mechlab.interventions.continuations import Continuation
from mechlab.metrics.concepts import Concept, Pattern, Probed, as_concept, words
from mechlab.models.loaders import load

WORDS = ["may", "june", "maybe", "cat", "old", *(f"w{number}" for number in range(53))]
BOS, EOS, MAY, JUNE, MAYBE, CAT, OLD = 0, 1, 3, 4, 5, 6, 7


@pytest.fixture(scope="module")
def reader():
    loaded = load(tiny("gpt2"), device="cpu")
    loaded.tokenizer = word_tokenizer(" ".join(WORDS))
    return loaded


def texts(*rows: list[int]) -> list[Continuation]:
    return [Continuation(torch.tensor(rows), 2)]


def test_a_pattern_scores_one_where_it_is_found_behind_the_prompt(reader):
    given = texts([BOS, CAT, MAY, OLD], [BOS, MAY, OLD, CAT], [BOS, CAT, MAYBE, OLD])
    assert Pattern("may").scores(reader, given).tolist() == [1, 0, 1]
    assert as_concept("june").scores(reader, given).tolist() == [0, 0, 0]


def test_words_are_found_whole_whatever_their_case(reader):
    given = texts([BOS, CAT, MAY, OLD], [BOS, CAT, MAYBE, OLD], [BOS, MAY, OLD, CAT])
    assert words("May", "june").scores(reader, given).tolist() == [1, 0, 0]
    assert words("old cat").scores(reader, given).tolist() == [0, 0, 1]
    assert words("m.y").scores(reader, given).tolist() == [0, 0, 0]
    assert words("june", "c").regex == words("c", "JUNE").regex


@pytest.mark.parametrize("given", [(), ("may", " ")])
def test_no_word_is_no_concept(given):
    with pytest.raises(UsageError, match="no word to look for"):
        words(*given)


def test_a_pattern_that_does_not_compile_is_refused_when_it_is_made():
    with pytest.raises(UsageError, match="pattern does not compile"):
        as_concept("(may")


@pytest.mark.parametrize("bias", [0.0, 0.7])
def test_a_probe_scores_the_share_of_written_tokens_on_its_side(reader, bias):
    tokens = torch.randint(3, 60, (70, 9), generator=torch.Generator().manual_seed(0))
    tokens[:, 0], tokens[3, 6:], tokens[5, 2:] = BOS, EOS, EOS
    direction = torch.randn(D_MODEL, generator=torch.Generator().manual_seed(1))
    found = Probed("resid_post.1", direction, bias).scores(reader, [Continuation(tokens, 2)])
    for row, score in zip(tokens, found, strict=True):
        seen = reader.activations(row[None], ["resid_post.1"])["resid_post.1"][0]
        own = [float(seen[at] @ direction + bias > 0) for at in range(2, 9) if row[at] not in (BOS, EOS)]
        assert float(score) == pytest.approx(sum(own) / max(len(own), 1))
    assert 0 < found.mean() < 1 and isinstance(Probed("resid_post.1", direction), Concept)


def test_a_probe_of_another_width_is_refused(reader):
    with pytest.raises(UsageError, match="direction does not fit the site: 5"):
        Probed("resid_post.1", torch.ones(5)).scores(reader, texts([BOS, CAT, MAY]))
