from mechlab.corpora.tales.lexicon import TOPICS
from mechlab.corpora.tales.prompts import prompts
from mechlab.corpora.tales.vocabulary import words_of


def test_what_one_does_is_done_at_the_place():
    for prompt in prompts("topic", 300):
        (topic,) = [topic for topic in TOPICS if set(topic.places) & set(words_of(prompt.text))]
        assert prompt.answers == tuple(activity.split()[0] for activity in topic.activities)
        assert len(prompt.distractors) == 3 * (len(TOPICS) - 1)
