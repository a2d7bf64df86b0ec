"""What is kept carries the share asked for, leads somewhere and comes from somewhere; keeping all keeps all."""

import pytest
import torch
from circuits.attribution.random_transcoders import random_set
from oracles.tiny_models import tiny, token_rows

from mechlab.circuits.attribution.attribution_graph import attribution_graph
from mechlab.circuits.attribution.frozen_pass import frozen_pass
from mechlab.circuits.attribution.pruning import pruned
from mechlab.circuits.attribution.targets import logit_targets
from mechlab.core.errors import UsageError
from mechlab.models.huggingface import HuggingFaceModel


@pytest.fixture(scope="module")
def graph():
    model = HuggingFaceModel(tiny("gpt2").double())
    frozen = frozen_pass(model, random_set("topk", model.spec), token_rows(1, 8))
    return attribution_graph(frozen, logit_targets(frozen, (3, 7)))


def test_the_fewest_nodes_carry_the_share(graph):
    n_countable = graph.sources.starts["tokens"]
    found = graph.influence.columns[:n_countable].sort(descending=True).values
    for share in (0.3, 0.8):
        kept = pruned(graph, nodes=share, edges=1.0)
        n_needed = int((found.cumsum(0) < share * found.sum()).sum()) + 1
        own = kept.columns[kept.columns < n_countable]
        assert len(own) == n_needed and kept.influence >= share
        assert float(graph.influence.columns[own].min()) == float(found[n_needed - 1])
    assert set(range(n_countable, graph.sources.n_columns)) <= set(kept.columns.tolist())


def test_keeping_everything_keeps_every_node_and_edge_with_influence(graph):
    kept = pruned(graph, nodes=1.0, edges=1.0)
    assert kept.influence == pytest.approx(1) and kept.of_targets == pytest.approx(1)
    n_there = int((graph.influence.columns[: graph.sources.starts["tokens"]] > 0).sum())
    assert int((kept.columns < graph.sources.starts["tokens"]).sum()) == n_there
    both = torch.cat([graph.of_targets.effects, graph.of_features.effects[kept.rows]])[:, kept.columns]
    assert torch.equal(kept.edges, both != 0)


@pytest.mark.parametrize(("nodes", "edges"), [(0.8, 0.98), (0.5, 0.5), (0.9, 0.3), (0.05, 0.9)])
def test_nothing_kept_hangs_loose(graph, nodes, edges):
    kept = pruned(graph, nodes=nodes, edges=edges)
    n_targets, n_features = len(graph.targets), len(graph.sources.code)
    is_feature, is_countable = kept.columns < n_features, kept.columns < graph.sources.starts["tokens"]
    assert torch.equal(graph.visited[kept.rows], kept.columns[is_feature])
    assert kept.edges[:, is_countable].any(0).all() and kept.edges[n_targets:].any(1).all()
    assert kept.edges.shape == (n_targets + len(kept.rows), len(kept.columns)) and kept.n_edges == kept.edges.sum()


def test_fewer_edges_lose_more_and_that_is_told(graph):
    told = [pruned(graph, nodes=0.8, edges=share).of_targets for share in (0.98, 0.6, 0.2)]
    assert told == sorted(told, reverse=True) and told[0] > told[-1] > 0


def test_features_that_were_not_traced_are_left_out(graph):
    few = attribution_graph(graph.frozen, graph.targets, max_features=20)
    kept = pruned(few, nodes=1.0, edges=1.0)
    features = kept.columns[kept.columns < len(graph.sources.code)]
    assert set(features.tolist()) <= set(few.visited.tolist())


@pytest.mark.parametrize("share", [0, -0.1, 1.1])
def test_a_share_out_of_range_is_refused(graph, share):
    for name in ("nodes", "edges"):
        with pytest.raises(UsageError, match="share to keep is out of range"):
            pruned(graph, **{name: share})
