"""The known causes: every label the stories carry, with its classes in a fixed order."""

from mechlab.corpora.tales.lexicon import EMOTIONS, MONTHS, SEASONS, TOPICS
from mechlab.corpora.tales.tasks import TASKS

ROLES = (
    "io",
    "subject1",
    "subject2",
    "year_start",
    "item",
    "found",
    "owner",
    "owned",
    "asked",
    "first_name",
    "surname",
    "answer",
)

LABEL_NAMES: dict[str, tuple[str, ...]] = {
    "task": tuple(TASKS),
    "gender": ("female", "male"),
    "subject": ("female", "male"),
    "emotion": tuple(emotion.name for emotion in EMOTIONS),
    "season": tuple(season.name for season in SEASONS),
    "month": MONTHS,
    "topic": tuple(topic.name for topic in TOPICS),
    "owner": ("first", "second", "third"),
    "list_position": tuple(str(position) for position in range(1, 11)),
    "role": ROLES,
}
"""`emotion`, `season`, `month` and `topic` last from the word that reveals them to the document's end; `subject` (the
gender of the one a passage speaks of) and `task` last to the passage's end; the others cover single words."""
