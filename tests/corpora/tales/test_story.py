from random import Random

from mechlab.corpora.tales.story import Story
from mechlab.corpora.tales.writer import Writer


def test_a_state_once_drawn_stays_and_is_paid_once():
    story = Story(Writer(Random(0)))
    for state in (story.topic, story.season, story.emotion, story.hero):
        assert state() is state()
    assert len(story.writer.document().surprisals) == 4


def test_nobody_is_met_twice():
    story = Story(Writer(Random(0)))
    met = [story.hero(), *story.people(3), *story.people(76)]
    assert len(set(met)) == 80


def test_the_hero_is_spoken_of_in_the_heros_gender():
    for seed in range(20):
        slots = Story(Writer(Random(seed))).hero_slots()
        (label,) = slots["hero"].labels
        assert label == ("subject", {"she": "female", "he": "male"}[slots["he"]])
