from itertools import pairwise

import pytest

from mechlab.corpora.tales.corpus import TalesCorpus
from mechlab.corpora.tales.labels import LABEL_NAMES
from mechlab.corpora.tales.lexicon import EMOTIONS, SEASONS, TOPICS
from mechlab.corpora.tales.names import NAMES_BY_GENDER
from mechlab.corpora.tales.vocabulary import words_of

DOCUMENTS = [TalesCorpus(21).document(index) for index in range(1500)]
LASTING = {"emotion", "season", "month", "topic"}


def spans(name: str):
    return [(document, span) for document in DOCUMENTS for span in document.labels if span.name == name]


def test_every_label_has_a_class_that_is_named_and_every_class_occurs():
    for name, classes in LABEL_NAMES.items():
        assert {span.value for _, span in spans(name)} == set(classes), name
    assert {span.name for document in DOCUMENTS for span in document.labels} == set(LABEL_NAMES)


def test_spans_lie_on_whole_words():
    for document in DOCUMENTS:
        for start, end, *_ in document.labels:
            assert 0 <= start < end <= len(document.text)
            assert start == 0 or document.text[start - 1] == " "
            assert end == len(document.text) or document.text[end] in " .,"


def test_spans_of_one_label_never_overlap():
    for document in DOCUMENTS:
        for name in LABEL_NAMES:
            ends = sorted((span.start, span.end) for span in document.labels if span.name == name)
            assert all(first[1] <= second[0] for first, second in pairwise(ends)), name


@pytest.mark.parametrize("states", [TOPICS, EMOTIONS, SEASONS], ids=["topic", "emotion", "season"])
def test_a_state_begins_at_the_first_word_that_reveals_it_and_lasts_to_the_end(states):
    name = {TOPICS: "topic", EMOTIONS: "emotion", SEASONS: "season"}[states]
    for document in DOCUMENTS:
        if any(span.value == "repetition" for span in document.labels):
            assert not [span for span in document.labels if span.name in LASTING]
            continue
        padded = " " + document.text.replace(".", " ").replace(",", " ") + " "
        found = [
            (place, state.name)
            for state in states
            for words in (*state[1:], (state.name,) * (name == "season"))
            for word in words
            if (place := padded.find(f" {word} ")) >= 0
        ]
        told = [(span.start, span.value) for span in document.labels if span.name == name]
        assert told == ([min(found)] if found else [])
        assert len({state for _, state in found}) <= 1
        assert all(span.end == len(document.text) for span in document.labels if span.name == name)


def test_every_name_and_pronoun_has_its_gender():
    female = {*NAMES_BY_GENDER["female"], "she", "She", "her", "Her"}
    male = {*NAMES_BY_GENDER["male"], "he", "He", "his", "His", "him"}
    for document in DOCUMENTS:
        marked = [document.text[span.start : span.end] for span in document.labels if span.name == "gender"]
        for value, words in (("female", female), ("male", male)):
            given = [document.text[s.start : s.end] for s in document.labels if s[2:] == ("gender", value)]
            assert [word for word in given if word in female | male] == [
                w for w in words_of(document.text) if w in words
            ]
        assert len(marked) >= sum(word in female | male for word in words_of(document.text))


def test_passages_cover_all_but_the_closings():
    for document in DOCUMENTS:
        passages = sorted((span.start, span.end) for span in document.labels if span.name == "task")
        assert passages[0][0] == 0
        assert all(second[0] == first[1] + 1 for first, second in pairwise(passages))


def test_within_a_subject_every_pronoun_is_the_subjects():
    pronouns = {"she": "female", "her": "female", "he": "male", "his": "male", "him": "male"}
    for document, (start, end, _, value) in spans("subject"):
        said = [word.lower() for word in words_of(document.text[start:end]) if word.lower() in pronouns]
        assert all(pronouns[word] == value for word in said)
