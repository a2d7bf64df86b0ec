"""A task: one kind of passage, told inside a story, with the sentences it is told in."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from mechlab.corpora.tales.story import Story
from mechlab.corpora.tales.writer import Template


@dataclass(frozen=True)
class Task:
    """One kind of passage.

    Attributes:
        name: the class of the `task` label.
        tell: writes the passage; keyword arguments, where a task has them, fix choices for evaluation.
        templates: every sentence the passage and its closing can use.
        place: `opening` passages come first in a fixed order, each by its chance; `main` passages follow, drawn by
            their weights; a `whole` passage is a document of its own.
        weight: the chance of an opening or a whole passage, the relative weight of a main one.
        close: writes a closing sentence of the story, if the task has one.
    """

    name: str
    tell: Callable[..., None]
    templates: tuple[Template, ...]
    place: Literal["opening", "main", "whole"]
    weight: float
    close: Callable[[Story], None] | None = None
