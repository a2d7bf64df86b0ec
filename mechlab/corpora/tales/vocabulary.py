"""The closed list of words the grammar can write, and how a text is cut into them."""

import re

from mechlab.corpora.tales.lexicon import EMOTIONS, MONTHS, SEASONS, TOPICS, TWO_DIGITS
from mechlab.corpora.tales.names import GENDER, NAMES, RARE_NAMES, SURNAMES
from mechlab.corpora.tales.tasks import TASKS
from mechlab.corpora.tales.tasks.greater_than import EVENTS

TOKEN = re.compile(r"\w+|[^\w\s]")


def words_of(text: str) -> list[str]:
    """Return the text's tokens: words, two-digit halves of years, punctuation marks."""
    return TOKEN.findall(text)


def vocabulary() -> tuple[str, ...]:
    """Return every token a tale can hold, sorted."""
    literals = (part for task in TASKS.values() for template in task.templates for part, _ in template.parts)
    classes = (
        each for states in (TOPICS, EMOTIONS, SEASONS) for state in states for group in state[1:] for each in group
    )
    names = (*NAMES, *RARE_NAMES, *SURNAMES, *GENDER)
    seasons = (season.name for season in SEASONS)
    sources = (*literals, *classes, *names, *seasons, *MONTHS, *TWO_DIGITS[2:], *EVENTS, "the , and")
    return tuple(sorted({word for source in sources for word in words_of(source)}))
