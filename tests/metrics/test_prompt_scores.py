"""Scores on prompt pairs: hits by a plain loop, intervals by formula, chance where answers are shuffled."""

import math
from dataclasses import replace

import pytest
import torch

from mechlab.core.errors import UsageError
from mechlab.corpora.tasks import PAIR_TASKS
from mechlab.corpora.tasks.pairs import PromptPairs
from mechlab.metrics.prompt_scores import PromptScores, joined, prompt_scores, scored, share, shuffled_answers
from mechlab.models.loaders import load

N, D_VOCAB, N_CANDIDATES = 60, 20, 5


def drawn_pairs(n: int = N) -> PromptPairs:
    generator = torch.Generator().manual_seed(0)
    candidates = torch.stack([torch.randperm(D_VOCAB, generator=generator)[:N_CANDIDATES] for _ in range(n)])
    is_right = torch.arange(N_CANDIDATES) < torch.arange(n)[:, None] % 3 + 1
    tokens = torch.zeros(n, 2, dtype=torch.long)
    facts = tuple({"row": row, "third": "abc"[row % 3]} for row in range(n))
    return PromptPairs("drawn", tokens, tokens, candidates, is_right, ~is_right, {"END": torch.ones(n).long()}, facts)


def drawn_logits(n: int = N) -> torch.Tensor:
    return 2 * torch.randn(n, D_VOCAB, generator=torch.Generator().manual_seed(1))


def test_hits_are_what_a_loop_finds():
    pairs, logits = drawn_pairs(), drawn_logits()
    found = scored(logits, pairs)
    for row in range(N):
        by_token = dict(enumerate(logits[row].tolist()))
        right = {int(t) for t, yes in zip(pairs.candidates[row], pairs.is_right[row], strict=True) if yes}
        among = max(pairs.candidates[row].tolist(), key=by_token.__getitem__)
        assert bool(found.hits[row]) == (among in right)
        assert bool(found.top_1[row]) == (max(by_token, key=by_token.__getitem__) in right)
    assert 0 < found.top_1.sum() < found.hits.sum() < N


def test_margins_stand_beside_their_prompts_and_their_means_are_estimated():
    pairs, logits = drawn_pairs(), drawn_logits()
    found = scored(logits, pairs)
    probabilities = logits.double().softmax(-1)
    for row in (0, 1, 17):
        right, wrong = pairs.candidates[row][pairs.is_right[row]], pairs.candidates[row][~pairs.is_right[row]]
        gap = logits[row][right].mean() - logits[row][wrong].mean()
        mass = probabilities[row][right].sum() - probabilities[row][wrong].sum()
        assert float(found.logit_differences[row]) == pytest.approx(float(gap), abs=1e-5)
        assert float(found.probability_differences[row]) == pytest.approx(float(mass), abs=1e-6)
    estimates = found.estimates()
    assert estimates["logit_difference"].unit == "nats"
    for name, values in (
        ("logit_difference", found.logit_differences),
        ("probability_difference", found.probability_differences),
    ):
        half = 1.96 * float(values.std()) / math.sqrt(N)
        assert estimates[name].value == pytest.approx(float(values.mean()))
        assert estimates[name].low == pytest.approx(float(values.mean()) - half, abs=0.3 * half)
        assert estimates[name].high == pytest.approx(float(values.mean()) + half, abs=0.3 * half)
        assert estimates[name].n == N


@pytest.mark.parametrize("n_hits", [0, 1, 13, 20])
def test_a_share_has_wilson_s_interval(n_hits):
    n, z = 20, 1.959963984540054
    found = share(torch.arange(n) < n_hits)
    p = n_hits / n
    middle, half = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    assert found.value == p and found.n == n
    assert found.low == pytest.approx((middle - half) / (1 + z * z / n), abs=1e-9)
    assert found.high == pytest.approx((middle + half) / (1 + z * z / n), abs=1e-9)


def test_a_tie_is_no_hit():
    pairs = drawn_pairs()
    flat = scored(torch.zeros(N, D_VOCAB), pairs)
    assert not flat.hits.any() and not flat.top_1.any()
    assert flat.logit_differences.abs().max() == 0
    tied = torch.zeros(N, D_VOCAB).scatter(1, pairs.candidates, torch.where(pairs.is_right, 1.0, 0.5))
    assert scored(tied, pairs).hits.all() and scored(tied, pairs).top_1.all()
    elsewhere = torch.ones(N, D_VOCAB).scatter(1, pairs.candidates, 0.0).argmax(1, keepdim=True)
    tied = tied.scatter(1, elsewhere, 1.0)
    assert scored(tied, pairs).hits.all() and not scored(tied, pairs).top_1.any()


def test_right_and_wrong_exchanged_turn_every_score_round():
    pairs, logits = drawn_pairs(), drawn_logits()
    one, other = scored(logits, pairs), scored(logits, replace(pairs, is_right=~pairs.is_right))
    assert torch.equal(one.hits, ~other.hits)
    assert torch.allclose(one.logit_differences, -other.logit_differences)


def test_groups_are_the_prompts_with_each_value_of_a_fact():
    found = scored(drawn_logits(), drawn_pairs())
    groups = found.by("third")
    assert list(groups) == ["a", "b", "c"] and sum(map(len, groups.values())) == N
    for offset, (value, group) in enumerate(groups.items()):
        assert {facts["third"] for facts in group.facts} == {value}
        for name in ("hits", "top_1", "logit_differences", "probability_differences"):
            assert torch.equal(getattr(group, name), getattr(found, name)[offset::3])
    assert groups["b"].estimates()["accuracy"].n == N // 3
    with pytest.raises(UsageError, match=r"'fourth'.*row, third"):
        found.by("fourth")


def test_parts_are_joined_in_order():
    pairs, logits = drawn_pairs(), drawn_logits()
    whole = scored(logits, pairs)
    parts = [scored(logits[rows], pairs.select(rows)) for rows in (slice(0, 7), slice(7, N))]
    again = joined(parts)
    assert again.facts == whole.facts
    for name in ("hits", "top_1", "logit_differences", "probability_differences"):
        assert torch.allclose(getattr(again, name).double(), getattr(whole, name).double())


def test_shuffled_answers_are_as_many_and_make_chance():
    pairs = drawn_pairs(6000)
    (shuffled,) = shuffled_answers([pairs])
    assert torch.equal(shuffled.is_right.sum(1), pairs.is_right.sum(1))
    assert torch.equal(shuffled.candidates, pairs.candidates)
    rate = shuffled.is_right[::3].double().mean(0)
    assert (rate - 1 / N_CANDIDATES).abs().max() < 0.04
    knowing = torch.zeros(6000, D_VOCAB).scatter(1, pairs.candidates, torch.where(pairs.is_right, 9.0, 8.0))
    knowing += 0.01 * drawn_logits(6000)
    assert scored(knowing, pairs).estimates()["accuracy"].value == 1
    found = scored(knowing, shuffled).estimates()
    # With r right of 5, the best is right with chance r / 5; r is 1, 2 and 3 in turn.
    assert found["accuracy"].low < 0.4 < found["accuracy"].high
    assert found["logit_difference"].low < 0 < found["logit_difference"].high
    assert torch.equal(shuffled.is_right, shuffled_answers([pairs], seed=0)[0].is_right)
    assert not torch.equal(shuffled.is_right, shuffled_answers([pairs], seed=1)[0].is_right)


def test_batches_are_shuffled_apart_from_one_another():
    first, second = shuffled_answers([drawn_pairs(), drawn_pairs()])
    assert not torch.equal(first.is_right, second.is_right)


def test_the_built_in_model_scores_as_its_own_account_says():
    model = load("tales", device="cpu")
    task = PAIR_TASKS["ioi"]
    batches = task.pairs(model.tokenizer, task.config(n=200, style="tales"))
    found = prompt_scores(model, batches, rows_at_once=33)
    estimates = found.estimates()
    assert estimates["top_1_accuracy"].value > 0.98 and estimates["accuracy"].n == 200
    assert estimates["logit_difference"].low > 3 and 0.5 < estimates["probability_difference"].value <= 1
    assert {order: len(group) for order, group in found.by("order").items()} == {"ABBA": 100, "BABA": 100}
    flipped = prompt_scores(model, batches, prompts="corrupted").estimates()
    assert flipped["accuracy"].value < 0.02 and flipped["logit_difference"].high < -3
    null = prompt_scores(model, shuffled_answers(batches)).estimates()
    assert null["accuracy"].low < 0.5 < null["accuracy"].high


def test_a_pass_gives_what_the_logits_at_the_end_give():
    model = load("tales", device="cpu")
    task = PAIR_TASKS["greater_than"]
    batches = task.pairs(model.tokenizer, task.config(n=40, style="tales"))
    with torch.no_grad():
        apart = joined([scored(model.logits(pairs.clean)[:, -1], pairs) for pairs in batches])
    together = prompt_scores(model, batches, rows_at_once=7)
    assert torch.allclose(together.probability_differences, apart.probability_differences, atol=1e-5)
    assert together.facts == apart.facts
    assert together.estimates()["probability_difference"].value > 0.9


@pytest.mark.parametrize("answer", [True, False])
def test_prompts_without_a_right_or_a_wrong_candidate_are_refused(answer):
    pairs = drawn_pairs()
    one_sided = replace(pairs, is_right=pairs.is_right.index_fill(0, torch.tensor([3]), answer))
    with pytest.raises(UsageError, match="drawn without an answer: 1"):
        scored(drawn_logits(), one_sided)


def test_logits_that_are_no_numbers_are_refused():
    logits = drawn_logits()
    logits[2, 3] = torch.nan
    with pytest.raises(UsageError, match="1 prompts"):
        scored(logits, drawn_pairs())
    with pytest.raises(UsageError, match="not finite"):
        scored(torch.full((N, D_VOCAB), torch.inf), drawn_pairs()).estimates()


def test_no_prompts_are_refused():
    for none in ([], [drawn_pairs().select(slice(0, 0))]):
        with pytest.raises(UsageError, match="no prompts"):
            prompt_scores(load("tales", device="cpu"), none)


def test_scores_know_how_many_they_are():
    empty = PromptScores(*(torch.zeros(0, dtype=torch.bool),) * 2, *(torch.zeros(0).double(),) * 2, ())
    assert len(empty) == 0 and len(scored(drawn_logits(), drawn_pairs())) == N
