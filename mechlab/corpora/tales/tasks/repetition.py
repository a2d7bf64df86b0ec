"""Repetition: a random row of words, then the same row again; the plainest ground for induction.

Source: Olsson et al. 2022, "In-context Learning and Induction Heads", repeated random sequences.
"""

from mechlab.corpora.tales.lexicon import EMOTIONS, SEASONS, TOPICS
from mechlab.corpora.tales.names import NAMES, RARE_NAMES, SURNAMES
from mechlab.corpora.tales.story import Story
from mechlab.corpora.tales.task import Task
from mechlab.corpora.tales.writer import Marked, Question, Template

WORDS = (
    *(item for topic in TOPICS for item in topic.items),
    *(feeling for emotion in EMOTIONS for feeling in emotion.feelings),
    *(sign for season in SEASONS for sign in season.signs),
    *NAMES,
    *RARE_NAMES,
    *SURNAMES,
)
LENGTHS = range(5, 21)
WORD = Template("{word}")


def tell(story: Story) -> None:
    """Write 5 to 20 different words, then the same words in the same order."""
    writer = story.writer
    row = writer.distinct(WORDS, writer.choose(LENGTHS))
    for word in row:
        writer.fill(WORD, {"word": Marked(word, reveals=False)})
    for before, word in zip(["", *row], row, strict=False):
        others = tuple(other for other in row if other != word)
        question = Question((word,), others, {"length": len(row)}) if before else None
        writer.fill(WORD, {"word": Marked(word, (("role", "answer"),), question, reveals=False)})


TASK = Task("repetition", tell, (), "whole", 0.12)
