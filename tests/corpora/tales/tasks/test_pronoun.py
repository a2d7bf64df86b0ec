from mechlab.corpora.tales.names import NAMES_BY_GENDER
from mechlab.corpora.tales.prompts import prompts
from mechlab.corpora.tales.vocabulary import words_of

FEMALE, MALE = {"she", "her", "Her"}, {"he", "his", "him", "His"}


def test_the_answer_has_the_gender_of_the_name():
    for prompt in prompts("pronoun", 300):
        (name,) = [
            word for word in words_of(prompt.text) if word in {n for names in NAMES_BY_GENDER.values() for n in names}
        ]
        right, wrong = (FEMALE, MALE) if name in NAMES_BY_GENDER["female"] else (MALE, FEMALE)
        assert set(prompt.answers) <= right and set(prompt.distractors) <= wrong
        assert not set(words_of(prompt.text)) & (FEMALE | MALE), "a pronoun gives the answer away"


def test_every_sentence_asks():
    assert len({prompt.text.partition(prompt.facts["name"])[2] for prompt in prompts("pronoun", 200)}) >= 5
