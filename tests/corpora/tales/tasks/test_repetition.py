from mechlab.corpora.tales.corpus import TalesCorpus
from mechlab.corpora.tales.prompts import prompts


def test_the_second_half_repeats_the_first_and_no_word_comes_twice_in_a_half():
    corpus, lengths = TalesCorpus(0, tasks=["repetition"]), set()
    for index in range(300):
        words = corpus.document(index).text.split()
        half = len(words) // 2
        assert words[:half] == words[half:]
        assert len(set(words)) == half
        lengths.add(half)
    assert lengths == set(range(5, 21))


def test_the_answer_followed_the_same_word_before():
    for prompt in prompts("repetition", 100):
        *words, last = prompt.text.split()
        assert prompt.answers == (words[words.index(last) + 1],)
        assert set(prompt.distractors) == set(words) - set(prompt.answers)
