"""Greater-than: something lasted from one year to a later one of the same century; every later year is as likely.

Source: Hanna et al. 2023, "How does GPT-2 compute greater-than?", section 2; years are split in two tokens here too.
"""

from mechlab.corpora.tales.lexicon import TWO_DIGITS
from mechlab.corpora.tales.story import Story
from mechlab.corpora.tales.task import Task
from mechlab.corpora.tales.writer import Marked, Question, templates

EVENTS = ("war", "siege", "reign", "voyage", "dispute", "famine", "festival", "treaty", "drought", "project")
CENTURIES = TWO_DIGITS[11:20]
STARTS = TWO_DIGITS[2:99]
TELLING = templates(
    "The {event} lasted from the year {century} {start} to the year {again} {answer}.",
    "The {event} began in the year {century} {start} and ended in the year {again} {answer}.",
    "From the year {century} {start} to the year {again} {answer} there was a {event}.",
    "The old {event} started in the year {century} {start} and went on until the year {again} {answer}.",
)


def tell(story: Story) -> None:
    """Tell how long something lasted."""
    writer = story.writer
    template = writer.choose(TELLING)
    event = writer.choose(EVENTS)
    century = writer.choose(CENTURIES)
    start = writer.choose(STARTS)
    later = TWO_DIGITS[int(start) + 1 :]
    question = Question(later, TWO_DIGITS[2 : int(start) + 1], {"century": century, "start": start})
    answer = Marked(writer.choose(later), (("role", "answer"),), question)
    first = {"century": century, "start": Marked(start, (("role", "year_start"),))}
    second = {"again": Marked(century, echoes=True), "answer": answer}
    writer.fill(template, {"event": event, **first, **second})


TASK = Task("greater_than", tell, TELLING, "main", 1.4)
