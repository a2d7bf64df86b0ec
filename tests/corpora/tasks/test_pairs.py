"""Pairs picked, exchanged and halved; every column follows its row."""

import pytest
import torch

from mechlab.core.errors import UsageError
from mechlab.corpora.tasks.pairs import PromptPairs


def pairs(n: int) -> PromptPairs:
    """Return pairs whose every column tells the row's number."""
    row = torch.arange(n)
    right = row[:, None] % 2 == torch.tensor([0, 1])
    tokens = row[:, None] + torch.tensor([0, 100, 200])
    facts = tuple({"row": number} for number in range(n))
    return PromptPairs("counting", tokens, tokens + 1000, tokens[:, :2], right, ~right, {"END": row}, facts)


def check(some: PromptPairs, rows: list[int]):
    assert len(some) == len(rows)
    assert some.clean[:, 0].tolist() == some.positions["END"].tolist() == rows
    assert some.corrupted[:, 0].tolist() == [row + 1000 for row in rows]
    assert some.candidates.tolist() == [[row, row + 100] for row in rows]
    assert some.is_right.tolist() == [[row % 2 == 0, row % 2 == 1] for row in rows]
    assert some.is_right_corrupted.tolist() == [[row % 2 == 1, row % 2 == 0] for row in rows]
    assert [facts["row"] for facts in some.facts] == rows


def test_a_selection_keeps_every_column_of_its_rows():
    check(pairs(6).select(slice(1, 5, 2)), [1, 3])
    check(pairs(6).select(torch.tensor([4, 0])), [4, 0])
    check(pairs(6).select(torch.tensor([True, False, False, True, False, False])), [0, 3])
    check(pairs(6).select(slice(6, 9)), [])


@pytest.mark.parametrize("n", [2, 7, 40])
def test_halves_share_no_row_and_lose_none(n):
    first, second = pairs(n).halves()
    rows = [[facts["row"] for facts in half.facts] for half in (first, second)]
    assert sorted(rows[0] + rows[1]) == list(range(n))
    assert (len(first), len(second)) == (n // 2, n - n // 2)
    check(first, rows[0])
    check(second, rows[1])


def test_halves_are_drawn_and_the_seed_decides():
    halved = {seed: tuple(facts["row"] for facts in pairs(40).halves(seed)[0].facts) for seed in (0, 1)}
    assert halved[0] == tuple(facts["row"] for facts in pairs(40).halves(0)[0].facts) != halved[1]
    assert halved[0] != tuple(range(20))


def test_one_pair_cannot_be_halved():
    with pytest.raises(UsageError, match="1"):
        pairs(1).halves()


def test_exchanged_pairs_ask_the_corrupted_prompt_and_twice_exchanged_are_the_same():
    other = pairs(3).exchanged()
    assert torch.equal(other.clean, pairs(3).corrupted) and torch.equal(other.corrupted, pairs(3).clean)
    assert torch.equal(other.is_right, pairs(3).is_right_corrupted)
    check(other.exchanged(), [0, 1, 2])
