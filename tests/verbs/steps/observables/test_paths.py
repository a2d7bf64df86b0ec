"""Paths are searched in the largest set of prompts whose roles stand at the same tokens."""

import pytest
import torch

import mechlab
from mechlab.circuits.observables.path_beam import BeamSearch
from mechlab.core.config import build
from mechlab.verbs.observe_options import ObserveOptions
from mechlab.verbs.steps.observables.paths import alike, stored_paths


@pytest.fixture(scope="module")
def own(model):
    return mechlab.load(str(model), device="cpu")


@pytest.fixture(scope="module")
def batches(own):
    return mechlab.prompt_pairs(own.tokenizer, "ioi", n=30, seed=0, style="tales")


def test_all_roles_stand_at_one_place_in_as_many_prompts_as_there_are(batches):
    found = alike(batches)
    places = {role: positions.unique().tolist() for role, positions in found.positions.items()}
    assert all(len(one) == 1 for one in places.values())
    kinds = [
        tuple(row) for pairs in batches for row in zip(*(p.tolist() for p in pairs.positions.values()), strict=True)
    ]
    assert len(found) == max(kinds.count(kind) for kind in kinds) < 30


def test_stored_paths_are_the_librarys_with_their_steps(own, batches):
    observable = mechlab.word_difference(own.tokenizer, "she", "he")
    for complete in (False, True):
        config = build(ObserveOptions, {"words": "she", "paths": 6, "beam": 4, "complete": complete})
        stored = stored_paths(config, own, observable, batches)
        search = BeamSearch(beam=4, complete=complete)
        wanted = mechlab.observable_paths(own, alike(batches), observable, n=6, search=search)
        assert [one["effect"] for one in stored["paths"]] == [path.contribution for path in wanted]
        for one, path in zip(stored["paths"], wanted, strict=True):
            assert one["path"] == " → ".join([*(step.name for step in path.steps[:-1]), "logits"])
            assert [step["effect"] for step in one["steps"]] == list(path.effects)
            assert (one["steps"][0]["kind"] == "token") == path.is_complete
        assert stored["n_prompts"] == len(alike(batches)) and stored["positions"]["END"] > stored["positions"]["S2"]
    assert all(one["steps"][0]["kind"] == "token" for one in stored["paths"])


def test_prompts_that_are_alike_are_all_taken(batches):
    only = [alike(batches)]
    assert torch.equal(alike(only).clean, only[0].clean)
