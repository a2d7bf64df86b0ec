"""Drawing: repeated prompts are drawn again, until there are no others; the seed, the name and the number decide."""

from random import Random

import pytest
from oracles.tiny_texts import word_tokenizer

from mechlab.core.errors import UsageError
from mechlab.corpora.tasks.drafts import Draft, Prompt
from mechlab.corpora.tasks.pair_task import PairConfig, PairTask

WORDS = [f"w{number}" for number in range(12)]


def drafter(tokenizer, config):
    def draft(random: Random, index: int) -> Draft:
        word, other = random.sample(WORDS, 2)
        return Draft(Prompt(word, {}), Prompt(other, {}), [3, 4], [3], [4], {"word": word, "index": index})

    return draft


def words_of(task: PairTask, **given) -> list[str]:
    (pairs,) = task.pairs(word_tokenizer(WORDS), PairConfig(**given))
    assert [facts["index"] for facts in pairs.facts] == list(range(len(pairs)))
    return [facts["word"] for facts in pairs.facts]


def test_prompts_are_drawn_until_all_differ():
    assert sorted(words_of(PairTask("words", PairConfig, drafter), n=12)) == sorted(WORDS)


def test_more_different_prompts_than_there_are_cannot_be_drawn():
    with pytest.raises(UsageError, match=r"too few different prompts: 13.*12"):
        words_of(PairTask("words", PairConfig, drafter), n=13)


def test_seed_and_name_decide():
    task, other = PairTask("words", PairConfig, drafter), PairTask("others", PairConfig, drafter)
    assert words_of(task, n=6) == words_of(task, n=6) == words_of(task, n=9)[:6]
    assert len({tuple(words_of(each, n=6, seed=seed)) for each in (task, other) for seed in (0, 1)}) == 4
