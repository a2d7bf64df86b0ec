"""Means over prompts are those of what each path brings in every prompt, also where the search did not find it."""

from functools import cache

import pytest
import torch
from circuits.attribution.random_transcoders import random_set
from oracles.tiny_models import tiny, token_rows

from mechlab.circuits.attribution.frozen_pass import frozen_pass
from mechlab.circuits.attribution.mean_paths import mean_paths
from mechlab.circuits.attribution.path_search import PathSearch, top_paths
from mechlab.circuits.attribution.targets import logit_targets
from mechlab.core.errors import UsageError
from mechlab.models.huggingface import HuggingFaceModel


@cache
def passes(n_prompts: int = 3):
    model = HuggingFaceModel(tiny("gpt2").double())
    transcoders = random_set("topk", model.spec)
    every = [frozen_pass(model, transcoders, row[None]) for row in token_rows(n_prompts, 2)]
    return [(frozen, logit_targets(frozen, (3,))) for frozen in every]


def test_means_are_those_over_all_prompts():
    cut = PathSearch(beam=None, per_step=None, longest=3)
    found = mean_paths(passes(), n=30, search=cut)
    whole = [{path.steps: path for path in top_paths(*one, n=None, search=cut)} for one in passes()]
    for mean in found:
        by_prompt = [one[mean.path.steps].contribution if mean.path.steps in one else 0.0 for one in whole]
        assert mean.by_prompt.tolist() == pytest.approx(by_prompt, abs=1e-10)
        assert mean.path.contribution == pytest.approx(sum(by_prompt) / 3, abs=1e-10)
    sizes = [abs(mean.path.contribution) for mean in found]
    assert sizes == sorted(sizes, reverse=True)
    assert any(0 in mean.by_prompt for mean in found) and any(0 not in mean.by_prompt for mean in found)


def test_a_path_found_in_one_prompt_only_is_followed_in_the_others():
    narrow = PathSearch(beam=8, per_step=4)
    once = [{path.steps for path in top_paths(*one, n=5, search=narrow)} for one in passes()]
    found = mean_paths(passes(), n=None, search=narrow)
    assert any(
        mean.path.steps not in own and float(value) != 0
        for mean in found
        for own, value in zip(once, mean.by_prompt, strict=True)
    )


def test_it_says_in_how_many_prompts_a_path_brings_something():
    mean = mean_paths(passes(), n=1)[0]
    assert str(mean) == f"{mean.path}  in {int(torch.count_nonzero(mean.by_prompt))} of 3 prompts"


def test_prompts_that_are_not_alike_are_refused():
    (frozen, targets), *_ = passes()
    with pytest.raises(UsageError, match="prompts are not alike"):
        mean_paths([(frozen, targets), (frozen, logit_targets(frozen, (3, 4)))])
    with pytest.raises(UsageError, match="prompts are not alike"):
        mean_paths([])
