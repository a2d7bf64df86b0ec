from collections import Counter

from mechlab.corpora.tales.lexicon import EMOTIONS, MONTHS, SEASONS, STATES, TOPICS
from mechlab.corpora.tales.names import NAMES, RARE_NAMES, SURNAMES
from mechlab.corpora.tales.tasks import TASKS
from mechlab.corpora.tales.vocabulary import words_of


def revealing_words() -> list[str]:
    states = [(state, group) for states in (TOPICS, EMOTIONS, SEASONS) for state in states for group in state[1:]]
    return [word for _, group in states for word in group] + [season.name for season in SEASONS]


def test_no_word_reveals_two_states():
    assert max(Counter(revealing_words()).values()) == 1
    assert set(revealing_words()) == set(STATES)


def test_no_sentence_uses_a_revealing_word_or_a_name_by_itself():
    literals = {
        word for task in TASKS.values() for form in task.templates for part, _ in form.parts for word in words_of(part)
    }
    assert not literals & {*revealing_words(), *NAMES, *RARE_NAMES, *SURNAMES}


def test_each_activity_begins_with_a_verb_of_its_own():
    verbs = [activity.split()[0] for topic in TOPICS for activity in topic.activities]
    assert len(set(verbs)) == len(verbs)


def test_a_topic_has_enough_things_for_the_longest_list():
    assert all(len(set(topic.items)) == 12 for topic in TOPICS)


def test_months_are_the_months():
    assert STATES["July"] == (("season", "summer"), ("month", "July"))
    assert len(set(MONTHS)) == 12
