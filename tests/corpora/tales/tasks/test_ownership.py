import re

import pytest

from mechlab.corpora.tales.corpus import TalesCorpus
from mechlab.corpora.tales.names import NAMES
from mechlab.corpora.tales.prompts import prompts

FROM_OWNER = re.compile(r"(\w+) (?:has|keeps|owns) the (\w+)")
FROM_OWNED = re.compile(r"The (\w+) (?:belongs to|is with|is owned by) (\w+)")


def read(sentence: str) -> tuple[str, str]:
    if match := FROM_OWNER.fullmatch(sentence):
        return match[1], match[2]
    match = FROM_OWNED.fullmatch(sentence)
    return match[2], match[1]


@pytest.mark.parametrize("n_people", [2, 3])
@pytest.mark.parametrize("direction", ["from_owner", "from_owned"])
def test_the_answer_is_what_was_said(n_people, direction):
    for prompt in prompts("ownership", 100, n_people=n_people, direction=direction):
        *said, asked = prompt.text.split(". ")
        pairs = dict(read(sentence) for sentence in said)
        assert len(pairs) == n_people
        owner, thing = read(f"{asked} {prompt.answers[0]}")
        assert pairs[owner] == thing
        assert (prompt.answers[0] in NAMES) == (direction == "from_owned")
        others = set(pairs) - {owner} if direction == "from_owned" else set(pairs.values()) - {thing}
        assert set(prompt.distractors) == others


def test_everything_told_later_agrees_with_what_was_said_first():
    corpus = TalesCorpus(0, tasks=["ownership"])
    for index in range(200):
        told = [read(sentence) for sentence in corpus.document(index).text.rstrip(".").split(". ")]
        assert len(dict(told)) == len({thing: owner for owner, thing in told}) == len(set(told)) in (2, 3)
        assert len(told) - len(set(told)) in (2, 3, 4)


def test_the_owner_label_tells_who_came_first():
    corpus = TalesCorpus(0, tasks=["ownership"])
    for index in range(100):
        document = corpus.document(index)
        order = list(dict.fromkeys(read(sentence)[0] for sentence in document.text.rstrip(".").split(". ")))
        named = {(document.text[s.start : s.end], s.value) for s in document.labels if s.name == "owner"}
        assert {pair for pair in named if pair[0] in NAMES} == set(
            zip(order, ("first", "second", "third"), strict=False)
        )


def test_half_of_the_questions_cannot_be_answered_by_repeating():
    same = [prompt.facts["same_direction"] for prompt in prompts("ownership", 400)]
    assert 150 < sum(same) < 250
