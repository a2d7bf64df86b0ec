"""Prompt pairs by the name of their task: the way from a notebook to what a model is asked."""

from typing import Any

from mechlab.core.config import build
from mechlab.core.errors import UsageError
from mechlab.corpora.encoding import Encoder
from mechlab.corpora.tasks import PAIR_TASKS
from mechlab.corpora.tasks.pairs import PromptPairs


def prompt_pairs(tokenizer: Encoder | None, task: str, **settings: Any) -> tuple[PromptPairs, ...]:
    """Return pairs of a task in batches of one length each, the largest batch first.

    Args:
        tokenizer: of the model that is to be asked.
        task: its name, such as `ioi` or `laundry_list`.
        **settings: of the task's config: `n`, `seed`, `style`, and its own.

    Raises:
        UnknownName: there is no such task.
        UsageError: there is no tokenizer, a setting is not the task's, too few words are single tokens, or the task has
            fewer different prompts than asked.
    """
    kind = PAIR_TASKS[task]
    if tokenizer is None:
        raise UsageError("prompts need a tokenizer", value=task, remedy="Load a model that has one.")
    return kind.pairs(tokenizer, build(kind.config, settings))
