from mechlab.corpora.tales.corpus import TalesCorpus
from mechlab.corpora.tales.lexicon import EMOTIONS
from mechlab.corpora.tales.prompts import prompts
from mechlab.corpora.tales.vocabulary import words_of


def test_the_reaction_fits_the_feeling():
    for prompt in prompts("emotion", 300):
        (emotion,) = [emotion for emotion in EMOTIONS if set(emotion.feelings) & set(words_of(prompt.text))]
        assert prompt.answers == emotion.reactions
        assert len(prompt.distractors) == 24


def test_a_story_closes_on_the_feeling_it_began_with():
    corpus, closed = TalesCorpus(0, tasks=["emotion", "greater_than"]), 0
    for index in range(300):
        words = words_of(corpus.document(index).text)
        reactions = [emotion.name for word in words for emotion in EMOTIONS if word in emotion.reactions]
        closed += len(reactions) == 2
        assert len(set(reactions)) <= 1
    assert closed > 30
