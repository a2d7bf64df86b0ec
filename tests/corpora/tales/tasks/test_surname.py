import re

from mechlab.corpora.tales.corpus import TalesCorpus
from mechlab.corpora.tales.prompts import prompts

NAMED = re.compile(r"(Mrs|Mr) (\w+) (\w+)")


def test_the_surname_is_the_one_told_with_the_first_name():
    for prompt in prompts("surname", 200):
        (_, first, last), (_, other_first, other_last) = NAMED.findall(prompt.text)[:2]
        asked = prompt.text.split()[-1]
        surnames = {first: last, other_first: other_last}
        assert prompt.answers == (surnames.pop(asked),)
        assert prompt.distractors == tuple(surnames.values())


def test_a_person_keeps_title_and_surname():
    corpus = TalesCorpus(0, tasks=["surname"])
    for index in range(200):
        named = NAMED.findall(corpus.document(index).text)
        assert len(set(named)) == len({first for _, first, _ in named}) == 2
        assert 3 <= len(named) <= 5
