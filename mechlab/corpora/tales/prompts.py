"""Evaluation prompts: held-out stories cut right before the word the task asks for."""

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

from mechlab.core.randomness import sub_seed
from mechlab.corpora.tales.plan import tell
from mechlab.corpora.tales.story import Story
from mechlab.corpora.tales.tasks import TASKS
from mechlab.corpora.tales.writer import Writer


@dataclass(frozen=True)
class Prompt:
    """A text that ends right before an answer.

    Attributes:
        task: which task it asks.
        text: the story up to the answer, without the space before it.
        answers: the words that are right, each one token (greater-than has several).
        distractors: words of the same kind that are wrong.
        facts: what the answer follows from (`n_items`, `order`, `direction`, ...).
    """

    task: str
    text: str
    answers: tuple[str, ...]
    distractors: tuple[str, ...]
    facts: Mapping[str, Any]


def prompts(task: str, n: int, seed: int = 0, **setting: Any) -> list[Prompt]:
    """Return `n` prompts of one task, drawn apart from every corpus's documents.

    Args:
        task: the task's name.
        n: how many.
        seed: the prompts' seed.
        **setting: choices a task lets fix: `n_items` (left_over), `order` (ioi), `n_people`, `direction` (ownership).

    Raises:
        UnknownName: there is no such task.
    """
    return [_prompt(task, Random(sub_seed(seed, f"tales/prompts/{task}/{index}")), setting) for index in range(n)]


def _prompt(task: str, random: Random, setting: Mapping[str, Any]) -> Prompt:
    writer = Writer(random)
    tell(Story(writer), TASKS[task], **setting)
    position, question = writer.questions[0]
    text = writer.document().text[:position].rstrip()
    return Prompt(task, text, question.answers, question.distractors, question.facts)
