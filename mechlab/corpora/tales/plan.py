"""The plan of a document: a row of repeated words, or openings, then one or two main passages, then closings.

1. With the chance of a whole passage, tell it alone.
2. Otherwise tell each opening by its chance, in their order.
3. Tell one main passage, or two different ones, drawn by weight.
4. Close each opening that was told and has a closing, every second time.
"""

from collections.abc import Sequence

from mechlab.core.errors import UsageError
from mechlab.corpora.tales.story import Story
from mechlab.corpora.tales.task import Task
from mechlab.corpora.tales.writer import Weighted

N_MAIN = Weighted({1: 0.55, 2: 0.45})
CLOSE = Weighted({True: 0.5, False: 0.5})


def tell(story: Story, task: Task, **setting: object) -> None:
    """Tell one passage and label it."""
    start = story.writer.begin()
    task.tell(story, **setting)
    story.writer.end_passage(start, task.name)


class Plan:
    """How documents are put together from the given tasks."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        if not tasks:
            raise UsageError("a corpus of tales needs a task", value=list(tasks), remedy="Name one or leave tasks out.")
        self._whole = {task: task.weight for task in tasks if task.place == "whole"}
        self._openings = [task for task in tasks if task.place == "opening"]
        self._main = [task for task in tasks if task.place == "main"]
        self._has_story = bool(self._openings or self._main)
        self._kind = self._kinds()
        self._opens = {task: Weighted({True: task.weight, False: 1 - task.weight}) for task in self._openings}
        self._next = {left: Weighted({task: task.weight for task in self._main if task is not left})
                      for left in (None, *self._main) if len(self._main) > (left is not None)}  # fmt: skip

    def tell(self, story: Story) -> None:
        """Tell a whole document."""
        whole = story.writer.weighted(self._kind)
        if whole is not None:
            tell(story, whole)
            return
        told = [task for task in self._openings if self._is_told(task, story)]
        self._tell_main(story)
        for task in told:
            if task.close and story.writer.weighted(CLOSE):
                task.close(story)

    def _kinds(self) -> Weighted[Task | None]:
        story = {None: 1 - sum(self._whole.values())} if self._has_story else {}
        return Weighted({**self._whole, **story})

    def _is_told(self, task: Task, story: Story) -> bool:
        # Without main passages the openings are all there is, so all are told.
        is_told = not self._main or story.writer.weighted(self._opens[task])
        if is_told:
            tell(story, task)
        return is_told

    def _tell_main(self, story: Story) -> None:
        if not self._main:
            return
        first = story.writer.weighted(self._next[None])
        second = first in self._next and story.writer.weighted(N_MAIN) == 2
        tell(story, first)
        if second:
            tell(story, story.writer.weighted(self._next[first]))
