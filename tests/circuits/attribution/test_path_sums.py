"""Sums over paths are those of all paths listed one by one, and what nothing adds to sums to the targets."""

import pytest
import torch
from circuits.attribution.small_passes import small_pass

from mechlab.circuits.attribution.attribution_graph import attribution_graph
from mechlab.circuits.attribution.path_search import PathSearch, top_paths
from mechlab.circuits.attribution.path_sums import path_sums
from mechlab.circuits.attribution.rows import attributed
from mechlab.circuits.attribution.step_numbers import StepNumbers
from mechlab.circuits.attribution.targets import chosen_targets, logit_targets

EVERY = PathSearch(beam=None, per_step=None, complete=False)


@pytest.mark.parametrize(
    ("family", "kind", "bos"), [("gpt2", "relu with a skip", True), ("llama", "crosslayer_transcoder", False)]
)
def test_sums_are_those_of_all_paths_listed(family, kind, bos):
    _, frozen, sources = small_pass(family, kind, n_pos=2, bos=bos)
    targets = chosen_targets(frozen, 1, [(3, -1)])
    found, row = path_sums(attribution_graph(frozen, targets)), attributed(frozen, sources, targets)
    numbers = StepNumbers(sources, frozen.spec.n_heads)
    over_all, over_heads = (torch.zeros(numbers.n_steps, dtype=torch.float64) for _ in range(2))
    for path in top_paths(frozen, targets, n=None, search=EVERY):
        first = numbers.number(path.steps[0])
        assert first is not None
        over_all[first] += path.contribution
        if all(step.kind in ("head", "skip") for step in path.steps[1:-1]):
            over_heads[first] += path.contribution
    assert torch.allclose(over_all[: sources.n_columns], found.effects[0], atol=1e-10)
    assert over_all[numbers.bias] == pytest.approx(float(found.bias), abs=1e-10)
    assert torch.allclose(over_heads[: sources.n_columns], row.effects[0], atol=1e-10)
    assert over_heads[numbers.bias] == pytest.approx(float(row.bias), abs=1e-10)
    assert (found.effects - row.effects).abs().max() > 0.01


@pytest.mark.parametrize(
    ("family", "kind", "bos"),
    [("gpt2", "topk", False), ("llama", "relu with a skip", True), ("neox_parallel", "crosslayer_transcoder", True)],
)
@pytest.mark.parametrize("traced", [None, 20])
def test_what_nothing_adds_to_and_biases_sum_to_the_targets(family, kind, bos, traced):
    _, frozen, sources = small_pass(family, kind, bos=bos)
    targets = logit_targets(frozen, (3, 7), (-1, 2))
    graph = attribution_graph(frozen, targets, max_features=traced)
    found = path_sums(graph)
    ends = torch.ones(sources.n_columns, dtype=torch.bool)
    ends[graph.visited] = False
    missing = targets.values - found.effects[:, ends].sum(-1) - found.bias
    assert (missing.abs() / (1 + targets.values.abs())).max() < 1e-10
    assert (traced is None) == (not ends[: len(sources.code)].any())
