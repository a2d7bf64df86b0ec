from random import Random

import pytest

from mechlab.corpora.tales.plan import Plan
from mechlab.corpora.tales.story import Story
from mechlab.corpora.tales.task import Task
from mechlab.corpora.tales.tasks import TASKS
from mechlab.corpora.tales.writer import Template, Writer

HELLO = Template("Hello.")


@pytest.mark.parametrize("name", TASKS)
def test_a_task_is_registered_under_the_name_its_label_bears(name):
    assert TASKS[name].name == name


def test_no_sentence_belongs_to_two_tasks():
    sentences = [template.text for task in TASKS.values() for template in task.templates]
    assert len(set(sentences)) == len(sentences)


def test_every_told_task_has_at_least_four_sentences():
    assert all(len(task.templates) >= 4 for task in TASKS.values() if task.place != "whole")


@pytest.mark.parametrize("place", ["main", "opening", "whole"])
def test_a_new_task_is_told_by_being_given_to_a_plan(place):
    task = Task("greeting", lambda story: story.writer.fill(HELLO, {}), (HELLO,), place, 1.0)
    writer = Writer(Random(0))
    Plan([task]).tell(Story(writer))
    document = writer.document()
    assert (document.text, document.nll_nats) == ("Hello.", 0)
    assert document.labels == ((0, 6, "task", "greeting"),)
