"""Written texts are judged behind their prompts, by a plain loop's loss, and by counting n-grams by hand."""

import pytest
import torch
from oracles.tiny_models import tiny
from oracles.word_tokenizer import word_tokenizer
from torch.nn.functional import cross_entropy

from mechlab.core.errors import UsageError
from mechlab.interventions.continuations import Continuation, continuations
from mechlab.metrics.written_text import distinct_share, judge_texts, losses_of_texts, losses_of_written, repeated
from mechlab.models.loaders import load

WORDS = ["may", "june", "the", "cat", *(f"w{number}" for number in range(54))]
BOS, EOS, MAY, JUNE, THE, CAT = 0, 1, 3, 4, 5, 6


@pytest.fixture(scope="module")
def judge():
    loaded = load(tiny("gpt2"), device="cpu")
    loaded.tokenizer = word_tokenizer(" ".join(WORDS))
    return loaded


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


def test_repetition_counts_what_stood_in_the_same_text_before():
    rows = [[1, 2, 1, 2, 1], [1, 2], [7]]
    assert repeated(rows, 2).tolist() == [[2, 4], [0, 1], [0, 0]]
    assert repeated([[5] * 8], 4).tolist() == [[4, 5]] and repeated([], 4).shape == (0, 2)


def test_a_text_that_turns_in_circles_repeats_itself(judge):
    circle = torch.tensor([[BOS, THE, CAT, MAY, JUNE] + [THE, CAT, MAY, JUNE] * 3])
    varied = torch.arange(3, 3 + 16)[None]
    for tokens, wanted in ((circle, 9 / 13), (varied, 0.0)):
        found = judge_texts(judge, [Continuation(torch.cat([tokens, tokens]), 0)], "may").repetition
        assert found is not None and found.value == pytest.approx(wanted) and found.n == 2


def test_what_the_judge_writes_itself_reads_more_natural_than_draws_without_it(judge):
    own = continuations(judge, ["the cat", "june"], 60, 12, seed=1)
    drawn = [
        Continuation(torch.cat([one.tokens[:, : one.n_prompt], one.written.flip(0).roll(1, 1)], dim=1), one.n_prompt)
        for one in own
    ]
    natural, shuffled = judge_texts(judge, own, r"\bmay\b"), judge_texts(judge, drawn, r"\bmay\b")
    assert natural.nll_nats is not None and shuffled.nll_nats is not None
    assert natural.nll_nats.high < shuffled.nll_nats.low
    assert natural.concept.value == pytest.approx(shuffled.concept.value)
    assert natural.n_texts == natural.concept.n == 120
    assert all(0 < share <= 1 for share in natural.distinct.values())
    assert natural.distinct[1] < natural.distinct[2] < natural.distinct[3]


def test_a_pattern_that_does_not_compile_is_refused(judge):
    with pytest.raises(UsageError, match="pattern does not compile: '\\(may'"):
        judge_texts(judge, continuations(judge, ["the"], 1, 2), "(may")


@torch.no_grad()
def test_losses_of_several_prompts_stand_in_the_order_of_the_texts_however_they_are_read(judge):
    draw = torch.Generator().manual_seed(1)
    shapes = [(2, 3, 9), (4, 2, 9), (2, 4, 9), (2, 1, 12)]
    texts = [Continuation(torch.randint(3, 61, (n, length), generator=draw), given) for given, n, length in shapes]
    wanted = torch.cat([losses_of_written(judge, one) for one in texts])
    torch.testing.assert_close(losses_of_texts(judge, texts), wanted, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(losses_of_texts(judge, texts[::-1])[0], wanted[-1], rtol=1e-5, atol=1e-5)
    changed = torch.stack([3 * wanted[:, 0], wanted[:, 1]], dim=1)
    paid = judge_texts(judge, texts, "may", losses=changed).nll_nats
    read = judge_texts(judge, texts, "may").nll_nats
    assert paid is not None and read is not None and paid.value == pytest.approx(3 * read.value, rel=1e-4)
