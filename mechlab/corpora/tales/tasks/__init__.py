"""The passages stories are made of, one task of the literature each; openings are told in this order."""

from mechlab.core.registry import Registry

TASKS = Registry(
    "task",
    {
        "season": "mechlab.corpora.tales.tasks.season:TASK",
        "topic": "mechlab.corpora.tales.tasks.topic:TASK",
        "emotion": "mechlab.corpora.tales.tasks.emotion:TASK",
        "ioi": "mechlab.corpora.tales.tasks.ioi:TASK",
        "left_over": "mechlab.corpora.tales.tasks.left_over:TASK",
        "greater_than": "mechlab.corpora.tales.tasks.greater_than:TASK",
        "pronoun": "mechlab.corpora.tales.tasks.pronoun:TASK",
        "ownership": "mechlab.corpora.tales.tasks.ownership:TASK",
        "surname": "mechlab.corpora.tales.tasks.surname:TASK",
        "repetition": "mechlab.corpora.tales.tasks.repetition:TASK",
    },
)
