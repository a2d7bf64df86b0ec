"""Season: a month or a season's name, and the sign that goes with it."""

from mechlab.corpora.tales.lexicon import SEASONS
from mechlab.corpora.tales.story import Story
from mechlab.corpora.tales.task import Task
from mechlab.corpora.tales.writer import Marked, Question, templates

TELLING = templates(
    "It was {time}. The children spoke of the {sign}.",
    "In {time} the people saw the {sign}.",
    "It was {time}, the time of the {sign}.",
    "When {time} came, the village dreamed of the {sign}.",
)
CLOSING = templates(
    "All this happened in the time of the {sign}.",
    "In the evening the village talked about the {sign}.",
)


def tell(story: Story) -> None:
    """Name the time of the year, then one of its signs."""
    season = story.season()
    template = story.writer.choose(TELLING)
    time = story.writer.choose((season.name, *season.months))
    sign = story.writer.choose(season.signs)
    others = tuple(other for unlike in SEASONS if unlike is not season for other in unlike.signs)
    question = Question(season.signs, others, {"season": season.name, "time": time})
    story.writer.fill(template, {"time": time, "sign": Marked(sign, (("role", "answer"),), question)})


def close(story: Story) -> None:
    """End on another sign of the season."""
    template = story.writer.choose(CLOSING)
    story.writer.fill(template, {"sign": story.writer.choose(story.season().signs)})


TASK = Task("season", tell, TELLING + CLOSING, "opening", 0.4, close)
