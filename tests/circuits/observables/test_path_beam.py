"""Paths through values: a wide beam finds them all, with the effects of an exhaustive search by autograd."""

from functools import lru_cache

import pytest
import torch
from circuits.asked_pairs import random_pairs
from circuits.observables.held import OBSERVABLE, WEIGHTS
from oracles.held_model import HeldModel
from oracles.tiny_models import tiny

from mechlab.circuits.observables.path_beam import BeamSearch, observable_graph, observable_paths
from mechlab.circuits.observables.pulling import NormRules
from mechlab.core.errors import UsageError
from mechlab.models.huggingface import HuggingFaceModel

N_POS, LAST = 6, 5


def some_pairs():
    """Return two pairs that differ in one token, so that only what comes after it brings anything."""
    return random_pairs(2, n_pos=N_POS)


class Exhaustive:
    """Every path of one pair of prompts, from gradients of the library's modules and what they write."""

    def __init__(self, hf_model, clean, corrupted, hold_norms, longest):
        self.run = HeldModel(hf_model, clean[None], hold_norms=hold_norms)
        self.exact, self.other = HeldModel(hf_model, clean[None]), HeldModel(hf_model, corrupted[None])
        self.parallel = hf_model.config.model_type == "gpt_neox" and hf_model.config.use_parallel_residual
        self.effects, self.longest = {}, longest
        self.gaps = {(layer, head): self._head_gap(layer, head) for layer in range(3) for head in range(4)}
        self._grow((), (3, 0), LAST, self.run.final_slope(WEIGHTS, LAST))

    def _head_gap(self, layer, head):
        """Return what one head writes differently for each token whose value it takes from the other prompt."""
        own, other = self.exact.streams[layer], self.other.streams[layer]
        before = self.exact.heads_write(layer, [head], own)
        gaps = []
        for source in range(N_POS):
            mixed = torch.where(torch.arange(N_POS)[:, None] == source, other, own)
            gaps.append(before - self.exact.heads_write(layer, [head], mixed))
        return gaps

    def _grow(self, above, place, here, direction):
        if len(above) >= self.longest - 1:
            return
        start = self.run.streams[0][here] - self.other.streams[0][here]
        self.effects[(("token", here), *above)] = float(start @ direction)
        for layer in range(3):
            if (layer, 0) < place:
                for head in range(4):
                    self._through_head(above, layer, head, here, direction)
            if (layer, 0 if self.parallel else 1) < place:
                gap = self._mlp(self.exact, layer, here) - self._mlp(self.other, layer, here)
                path = (("mlp", layer, here), *above)
                self.effects[path] = float(gap @ direction)
                if self.effects[path]:
                    slope = self.run.mlp_slope(layer, direction, here)
                    self._grow(path, (layer, 0 if self.parallel else 1), here, slope)

    def _through_head(self, above, layer, head, here, direction):
        slopes = self.run.heads_slope(layer, [head], direction, here)
        for source in range(here + 1):
            path = (("head", layer, head, source, here), *above)
            self.effects[path] = float(self.gaps[layer, head][source][here] @ direction)
            if abs(self.effects[path]) > 1e-14:
                self._grow(path, (layer, 0), source, slopes[source])

    @staticmethod
    def _mlp(held, layer, here):
        return held.blocks[layer].mlp(held.seconds[layer](held.mids[layer][None]))[0, here]


@lru_cache(maxsize=4)
def exhaustive(family, how, longest=3):
    """Return every path's mean effect that is not nothing."""
    pairs, hf_model = some_pairs(), tiny(family).double()
    rows = zip(pairs.clean, pairs.corrupted, strict=True)
    both = [Exhaustive(hf_model, *pair, how == "frozen", longest) for pair in rows]
    paths = {path for one in both for path in one.effects}
    found = {path: sum(one.effects.get(path, 0.0) for one in both) / 2 for path in paths}
    return {path: effect for path, effect in found.items() if abs(effect) > 1e-12}


def named(path):
    """Return a path's steps as the exhaustive search has them, its target left out."""
    kinds = {
        "head": lambda one: ("head", one.layer, one.number, one.source, one.position),
        "mlp": lambda one: ("mlp", one.layer, one.position),
        "token": lambda one: ("token", one.position),
    }
    return tuple(kinds[step.kind](step) for step in path.steps[:-1])


def searched(family, how="exact", n=None, **search):
    model = HuggingFaceModel(tiny(family).double())
    asked = BeamSearch(**({"beam": None, "longest": 3, "norms": NormRules.all(how)} | search))
    return observable_paths(model, some_pairs(), OBSERVABLE, n=n, search=asked)


@pytest.mark.parametrize(
    ("family", "tolerance", "how", "longest"),
    [
        ("gpt2", 1e-9, "exact", 4),
        ("gpt2", 1e-9, "frozen", 3),
        ("neox_parallel", 1e-9, "exact", 3),
        ("llama", 1e-4, "exact", 3),
        ("llama", 1e-4, "frozen", 3),
    ],
)
def test_a_wide_beam_finds_what_an_exhaustive_search_finds(family, tolerance, how, longest):
    wanted = exhaustive(family, how, longest)
    found = {named(path): path.contribution for path in searched(family, how, longest=longest)}
    told = {path: effect for path, effect in found.items() if abs(effect) > 1e-12 or tolerance > 1e-6}
    assert set(told) >= {path for path, effect in wanted.items() if abs(effect) > tolerance}
    assert all(abs(effect - wanted.get(path, 0.0)) <= tolerance for path, effect in told.items())
    assert len(wanted) > 150 and max(map(abs, wanted.values())) > 0.1


def test_a_narrow_beam_keeps_the_paths_that_bring_most_on_the_way():
    wanted = exhaustive("gpt2", "exact")
    firsts = [path for path in wanted if len(path) == 1 and path[0][0] != "token"]
    best = sorted(firsts, key=lambda path: -abs(wanted[path]))[:2]
    narrow = {named(path)[1:] for path in searched("gpt2", beam=2) if len(path) == 3}
    assert narrow == set(best)
    found = searched("gpt2", n=9)
    largest = sorted(wanted.values(), key=lambda effect: -abs(effect))[:9]
    assert [path.contribution for path in found] == pytest.approx(largest, abs=1e-9)


def test_the_layer_directly_below_and_the_last_mlp_are_steps():
    # The published search left them out, and the edge from heads to the MLP of their own layer.
    found = {named(path) for path in searched("gpt2")}
    assert (("mlp", 2, LAST),) in found
    assert any(path[0][0] == "head" and path[0][1] == 2 and len(path) == 1 for path in found)
    edges = {(path[0][:2], path[1][:2]) for path in found if len(path) == 2}
    assert (("head", 1), ("head", 2)) in edges and (("mlp", 1), ("mlp", 2)) in edges
    assert (("head", 2), ("mlp", 2)) in edges and (("mlp", 1), ("head", 2)) in edges
    assert (("head", 2), ("head", 2)) not in edges and (("mlp", 2), ("head", 2)) not in edges
    in_parallel = {named(path) for path in searched("neox_parallel")}
    assert not any(len(p) == 2 and p[0][:2] == ("head", 2) and p[1][:2] == ("mlp", 2) for p in in_parallel)


@pytest.mark.parametrize("family", ["gpt2", "neox_parallel"])
def test_steps_of_the_logits_and_what_patterns_change_are_the_whole_difference(family):
    hf_model, pairs, patterns = tiny(family).double(), some_pairs(), 0.0
    paths = searched(family, longest=2)
    for clean, corrupted in zip(pairs.clean, pairs.corrupted, strict=True):
        run, other = (HeldModel(hf_model, tokens[None]) for tokens in (clean, corrupted))
        along = run.final_slope(WEIGHTS, LAST)
        for layer in range(3):
            every = list(range(4))
            gap = run.heads_write(layer, every, other.streams[layer]) - other.heads_write(
                layer, every, other.streams[layer]
            )
            patterns += float(gap[LAST] @ along) / 2
    total = sum(path.contribution for path in paths) + patterns
    assert total == pytest.approx(paths[0].effects[-1], abs=1e-10) and abs(patterns) > 1e-3


def test_complete_paths_begin_with_a_token_that_differs():
    found = searched("gpt2", complete=True)
    assert {path.steps[0].kind for path in found} == {"token"} and {path.steps[0].position for path in found} == {4}
    every = {named(path): path.contribution for path in searched("gpt2")}
    assert all(every[named(path)] == path.contribution for path in found)


def test_paths_are_a_graph_in_which_nothing_is_lost():
    model = HuggingFaceModel(tiny("gpt2").double())
    graph = observable_graph(model, some_pairs(), OBSERVABLE, n=12, search=BeamSearch(beam=5))
    assert graph.by_name["odd@5"].kind == "target" and "rest" in graph.by_name
    into = sum(edge.effect for edge in graph.edges if edge.target == "odd@5")
    paths = observable_paths(model, some_pairs(), OBSERVABLE, n=12, search=BeamSearch(beam=5))
    assert into == pytest.approx(paths[0].effects[-1], abs=1e-10)
    names = {step.name for path in paths for step in path.steps}
    assert set(graph.by_name) == names | {"rest"}


def test_no_prompts_are_refused():
    with pytest.raises(UsageError, match="no prompts to search paths in"):
        observable_paths(HuggingFaceModel(tiny("gpt2")), some_pairs().select(slice(0, 0)), OBSERVABLE)
