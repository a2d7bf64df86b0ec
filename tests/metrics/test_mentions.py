"""A match counts where it stands behind the prompt, and none crosses a special token."""

import re

import pytest
import torch
from oracles.tiny_models import tiny
from oracles.word_tokenizer import word_tokenizer

from mechlab.metrics.mentions import mentions
from mechlab.models.loaders import load

WORDS = ["may", "june", "the", "cat", *(f"w{number}" for number in range(54))]
BOS, EOS, MAY, THE, CAT = 0, 1, 3, 5, 6


@pytest.fixture(scope="module")
def judge():
    loaded = load(tiny("gpt2"), device="cpu")
    loaded.tokenizer = word_tokenizer(" ".join(WORDS))
    return loaded


def test_a_topic_counts_behind_the_prompt_only_and_no_match_crosses_a_special_token(judge):
    tokens = torch.tensor([[BOS, MAY, THE, CAT], [BOS, THE, MAY, CAT], [BOS, THE, CAT, MAY], [BOS, CAT, THE, EOS]])
    assert mentions(judge, tokens[:, 2:], re.compile("may")).tolist() == [False, True, True, False]
    crossing = torch.tensor([[THE, EOS, CAT], [EOS, THE, CAT]])
    assert mentions(judge, crossing, re.compile("the cat")).tolist() == [False, True]
