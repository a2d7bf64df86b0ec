from collections import Counter

import pytest

from mechlab.corpora.tales.lexicon import TOPICS
from mechlab.corpora.tales.prompts import prompts
from mechlab.corpora.tales.vocabulary import words_of

ITEMS = {item for topic in TOPICS for item in topic.items}


@pytest.mark.parametrize("n_items", [2, 3, 5, 10])
def test_the_answer_is_the_one_item_named_once(n_items):
    for prompt in prompts("left_over", 80, n_items=n_items):
        counts = Counter(word for word in words_of(prompt.text) if word in ITEMS)
        assert len(counts) == n_items
        assert prompt.answers == tuple(item for item in counts if counts[item] == 1)
        assert set(prompt.distractors) == {item for item in counts if counts[item] == 2}


def test_every_place_of_the_list_is_left_over_as_often():
    places = Counter(p.facts["items"].index(p.answers[0]) for p in prompts("left_over", 900, n_items=3))
    assert all(abs(places[place] - 300) < 60 for place in range(3))


def test_short_lists_are_the_most_frequent():
    lengths = Counter(prompt.facts["n_items"] for prompt in prompts("left_over", 2000))
    assert sorted(lengths) == list(range(2, 11))
    assert abs(lengths[2] - 700) < 100 and abs(lengths[3] - 600) < 100
