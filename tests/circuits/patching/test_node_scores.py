"""Nodes are named by their sites and roles, and their scores are a graph."""

import pytest
import torch
from circuits.asked_pairs import random_pairs
from circuits.patching.small_models import small

from mechlab.circuits.patching.node_scores import NodeScores, Patched, nodes_to_patch
from mechlab.core.errors import UnknownName, UsageError


def test_nodes_are_all_of_a_kind_at_each_role():
    spec = small("gpt2").model.spec
    assert len(nodes_to_patch(spec, ("head",))) == 12
    names = [node.name for node in nodes_to_patch(spec, ("attn_out", "resid_pre"), ("IO", "END"))]
    assert names[:3] == ["attn_out.0@IO", "attn_out.0@END", "attn_out.1@IO"] and len(names) == 12
    assert not nodes_to_patch(spec.model_copy(update={"d_mlp": 0}), ("mlp_out",))


def test_a_role_stands_elsewhere_in_each_prompt():
    pairs = random_pairs()
    where = Patched("head.0.0", "IO").where(pairs)
    assert torch.equal(where.nonzero()[:, 1], pairs.positions["IO"]) and where.sum() == len(pairs)
    assert Patched("head.0.0").where(pairs).all()
    with pytest.raises(UsageError, match="no such role: 'S9'"):
        Patched("head.0.0", "S9").where(pairs)


def test_scores_are_a_graph_and_a_ranking_of_sources():
    found = small("gpt2")
    nodes = nodes_to_patch(found.model.spec, ("head", "mlp_out"), ("IO", "END"))
    values = torch.rand(5, len(nodes), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    scores = NodeScores(nodes, values, "logit_difference", "drawn")
    graph = scores.graph()
    assert len(graph.edges) == 30 and graph.by_name["mlp_out.2@END"].layer == 2
    assert graph.edges[4].effect == pytest.approx(float(values[:, 4].mean()))
    ranking = scores.by_source(found.wiring)
    head = [place for place, node in enumerate(nodes) if node.site == "head.1.2"]
    assert float(ranking[found.wiring.sources.index("head.1.2")]) == pytest.approx(float(values[:, head].mean(0).sum()))
    assert ranking[0] == torch.inf and len(ranking) == len(found.wiring.sources)
    with pytest.raises(UnknownName, match=r"part of the model has no score: 'mlp.0'"):
        NodeScores(nodes[:24], values[:, :24], "logit_difference", "drawn").by_source(found.wiring)
