"""Prompt pairs by name are those of the task's own config; what is not there is refused."""

import pytest
import torch

from mechlab.core.errors import UnknownName, UsageError
from mechlab.corpora.tasks import PAIR_TASKS
from mechlab.corpora.tasks.prompting import prompt_pairs
from mechlab.models.loaders import load


@pytest.fixture(scope="module")
def tokenizer():
    return load("tales").tokenizer


@pytest.mark.parametrize("task", ["ioi", "laundry_list", "ownership"])
def test_pairs_by_name_are_those_of_the_config(tokenizer, task):
    kind = PAIR_TASKS[task]
    found = prompt_pairs(tokenizer, task, n=6, seed=3, style="tales")
    wanted = kind.pairs(tokenizer, kind.config(n=6, seed=3, style="tales"))
    assert [torch.equal(one.clean, other.clean) for one, other in zip(found, wanted, strict=True)] == [True] * len(
        found
    )
    assert sum(map(len, found)) == 6


def test_unknown_tasks_and_settings_and_no_tokenizer_are_refused(tokenizer):
    with pytest.raises(UnknownName, match="ioy"):
        prompt_pairs(tokenizer, "ioy")
    with pytest.raises(UsageError, match="n_items"):
        prompt_pairs(tokenizer, "ioi", n_items=3)
    with pytest.raises(UsageError, match="prompts need a tokenizer: 'ioi'"):
        prompt_pairs(None, "ioi")
