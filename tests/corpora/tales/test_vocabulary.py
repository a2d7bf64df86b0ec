import pytest

from mechlab.corpora.tales.corpus import TalesCorpus
from mechlab.corpora.tales.vocabulary import vocabulary, words_of


def told(n_documents: int) -> set[str]:
    corpus = TalesCorpus(11)
    return {word for index in range(n_documents) for word in words_of(corpus.document(index).text)}


def test_the_stories_use_no_word_outside_the_vocabulary():
    assert told(1500) <= set(vocabulary())


@pytest.mark.slow
def test_the_stories_use_every_word_of_the_vocabulary():
    assert told(20_000) == set(vocabulary())


def test_the_vocabulary_is_sorted_and_small():
    words = vocabulary()
    assert list(words) == sorted(set(words))
    assert 300 < len(words) < 2000


def test_words_are_what_spaces_and_punctuation_part():
    assert words_of("The war, in 17 32, ended.") == ["The", "war", ",", "in", "17", "32", ",", "ended", "."]
