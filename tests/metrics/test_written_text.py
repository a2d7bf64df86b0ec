"""Written texts are judged behind their prompts, by a plain loop's loss, and by counting n-grams by hand."""

import re

import pytest
import torch
from oracles.tiny_models import tiny
from oracles.word_tokenizer import word_tokenizer
from torch.nn.functional import cross_entropy

from mechlab.core.errors import UsageError
from mechlab.interventions.continuations import Continuation, continuations
from mechlab.metrics.written_text import distinct_share, judge_texts, losses_of_written, mentions
from mechlab.models.loaders import load

WORDS = ["may", "june", "the", "cat", *(f"w{number}" for number in range(54))]
BOS, EOS, MAY, JUNE, THE, CAT = 0, 1, 3, 4, 5, 6


@pytest.fixture(scope="module")
def judge():
    loaded = load(tiny("gpt2"), device="cpu")
    loaded.tokenizer = word_tokenizer(" ".join(WORDS))
    return loaded


def test_a_topic_counts_behind_the_prompt_only_and_no_match_crosses_a_special_token(judge):
    tokens = torch.tensor([[BOS, MAY, THE, CAT], [BOS, THE, MAY, CAT], [BOS, THE, CAT, MAY], [BOS, CAT, THE, EOS]])
    assert mentions(judge, tokens[:, 2:], re.compile("may")).tolist() == [False, True, True, False]
    crossing = torch.tensor([[THE, EOS, CAT], [EOS, THE, CAT]])
    assert mentions(judge, crossing, re.compile("the cat")).tolist() == [False, True]


@torch.no_grad()
def test_the_judge_pays_for_what_was_written_and_not_for_the_prompt(judge):
    tokens = torch.randint(3, 61, (5, 9), generator=torch.Generator().manual_seed(0))
    tokens[:, 0], tokens[2, 5], tokens[3, 3:] = BOS, EOS, EOS
    found = losses_of_written(judge, Continuation(tokens, 3))
    for number, row in enumerate(tokens):
        logits = judge.logits(row[None])[0]
        costs = [cross_entropy(logits[at - 1], row[at]).item() for at in range(3, 9) if row[at] not in (BOS, EOS)]
        assert found[number].tolist() == pytest.approx([sum(costs), len(costs)], rel=1e-5)


def test_variety_is_the_share_of_different_n_grams():
    rows = [[1, 2, 1, 2], [1, 2], [7]]
    assert distinct_share(rows, 1) == 3 / 7
    assert distinct_share(rows, 2) == 2 / 4  # 12 21 12, 12
    assert distinct_share(rows, 3) == 2 / 2
    assert distinct_share(rows, 5) == 0.0


def test_what_the_judge_writes_itself_reads_more_natural_than_draws_without_it(judge):
    own = continuations(judge, ["the cat", "june"], 60, 12, seed=1)
    drawn = [
        Continuation(torch.cat([one.tokens[:, : one.n_prompt], one.written.flip(0).roll(1, 1)], dim=1), one.n_prompt)
        for one in own
    ]
    natural, shuffled = judge_texts(judge, own, r"\bmay\b"), judge_texts(judge, drawn, r"\bmay\b")
    assert natural.nll_nats is not None and shuffled.nll_nats is not None
    assert natural.nll_nats.high < shuffled.nll_nats.low
    assert natural.topic_share.value == pytest.approx(shuffled.topic_share.value)
    assert natural.n_texts == natural.topic_share.n == 120
    assert all(0 < share <= 1 for share in natural.distinct.values())
    assert natural.distinct[1] < natural.distinct[2] < natural.distinct[3]


def test_a_pattern_that_does_not_compile_is_refused(judge):
    with pytest.raises(UsageError, match="pattern does not compile: '\\(may'"):
        judge_texts(judge, continuations(judge, ["the"], 1, 2), "(may")
