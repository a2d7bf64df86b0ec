"""Prompt-pair tasks: seeded pairs of a clean and a corrupted prompt with known answers, for any tokenizer."""

from mechlab.core.registry import Registry

PAIR_TASKS = Registry(
    "prompt-pair task",
    {
        "ioi": "mechlab.corpora.tasks.ioi:TASK",
        "laundry_list": "mechlab.corpora.tasks.laundry_list:TASK",
        "coloured_objects": "mechlab.corpora.tasks.coloured_objects:TASK",
        "greater_than": "mechlab.corpora.tasks.greater_than:TASK",
        "ownership": "mechlab.corpora.tasks.ownership:TASK",
    },
)
