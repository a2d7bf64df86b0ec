"""Settings say which prompt is run and which is patched in; the answers stay the clean prompt's."""

import pytest
import torch
from circuits.asked_pairs import random_pairs

from mechlab.circuits.patching.settings import PatchSettings, as_run, runs
from mechlab.core.errors import ConfigError, UsageError


def test_denoising_runs_the_corrupted_prompt_for_the_clean_answer():
    pairs = random_pairs()
    noising, denoising = (as_run(pairs, PatchSettings(direction=one)) for one in ("noising", "denoising"))
    assert noising is pairs
    assert torch.equal(denoising.clean, pairs.corrupted) and torch.equal(denoising.corrupted, pairs.clean)
    assert torch.equal(denoising.is_right, pairs.is_right)
    assert [PatchSettings(direction=one).sign for one in ("noising", "denoising")] == [-1, 1]


def test_prompts_come_so_many_at_once_and_none_are_refused():
    batches = [random_pairs(5), random_pairs(3, n_pos=12)]
    assert [len(pairs) for pairs in runs(batches, PatchSettings(rows_at_once=2))] == [2, 2, 1, 2, 1]
    with pytest.raises(UsageError, match="no prompts to patch"):
        list(runs([], PatchSettings()))


def test_values_out_of_range_are_refused():
    from mechlab.core.config import build

    with pytest.raises(ConfigError, match="steps"):
        build(PatchSettings, {"steps": 0})
