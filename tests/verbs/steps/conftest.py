"""The small run's dictionary, and what is found out about it."""

import pytest

from mechlab.core.progress import SILENT
from mechlab.store.run import open_run
from mechlab.verbs.steps.opening import held_out_rows
from mechlab.verbs.steps.stored import stored_dictionary
from mechlab.verbs.steps.training.judging import judge


@pytest.fixture(scope="session")
def dictionary(trained):
    return stored_dictionary(open_run(trained[0]))


@pytest.fixture(scope="session")
def rows(subject):
    return held_out_rows(subject, SILENT)


@pytest.fixture(scope="session")
def judgement(subject, dictionary, rows):
    return judge(subject, dictionary, rows, SILENT)
