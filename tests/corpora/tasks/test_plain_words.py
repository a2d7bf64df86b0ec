"""Plain words: different, lower case where they are no names, enough for the longest list, and all take `a`."""

import pytest

from mechlab.corpora.tasks import plain_words
from mechlab.corpora.tasks.laundry_list import MOST_ITEMS

NOUNS = {name: getattr(plain_words, name) for name in ("PLACES", "OBJECTS", "COLOURS", "EVENTS", "SURFACES")}


@pytest.mark.parametrize("name", NOUNS)
def test_words_differ_and_are_lower_case(name):
    words = NOUNS[name]
    assert len(set(words)) == len(words)
    assert all(word.isalpha() and word.islower() for word in words)


def test_objects_fill_the_longest_list_twice_over():
    assert len(plain_words.OBJECTS) > 2 * MOST_ITEMS
    assert len(plain_words.PEOPLE) > 50


def test_objects_and_colours_take_the_article_a():
    assert not [word for word in plain_words.OBJECTS + plain_words.COLOURS if word[0] in "aeiou"]


def test_nothing_lies_on_itself():
    assert not set(plain_words.OBJECTS) & {*plain_words.SURFACES, *plain_words.COLOURS, *plain_words.PLACES}
