"""Edge scores are a graph whose edges are named as they run."""

import pytest
import torch
from circuits.patching.small_models import small

from mechlab.circuits.patching.edge_scores import EdgeScores, edge_name, node_of


@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_a_graph_has_every_edge_with_its_mean_score(family):
    wiring = small(family).wiring
    values = torch.rand(4, *wiring.is_edge.shape, generator=torch.Generator().manual_seed(0)) * wiring.is_edge
    scores = EdgeScores(wiring, values, "drawn")
    graph = scores.graph()
    assert len(graph.edges) == wiring.n_edges == len(scores.of_edges)
    found = {(edge.source, edge.target, edge.route): edge.effect for edge in graph.edges}
    for source, reader, name in (("mlp.0", "head.1.2", "q"), ("input", "mlp.1", ""), ("head.2.3", "logits", "")):
        place = wiring.edge(source, f"{reader}.{name}" if name else reader)
        assert found[source, reader, name] == pytest.approx(float(values[:, place[0], place[1]].double().mean()))
    assert {node.kind for node in graph.nodes} == {"input", "head", "mlp", "logits"} | (
        {"kv"} if family == "llama" else set()
    )
    assert graph.by_name["head.2.1"].layer == 2 and graph.by_name["input"].layer is None


def test_names_tell_both_ends():
    assert edge_name("head.0.1", "head.2.3.q") == "head.0.1 -> head.2.3.q"
    assert node_of("kv.3.1").layer == 3 and node_of("logits").kind == "logits"
