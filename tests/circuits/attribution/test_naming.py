"""Every source has a name of its own that tells where it is, and edges hold the effects of the rows."""

from dataclasses import replace

import pytest
import torch
from circuits.attribution.random_transcoders import random_set
from oracles.tiny_models import tiny, token_rows

from mechlab.circuits.attribution.attribution_graph import attribution_graph
from mechlab.circuits.attribution.frozen_pass import frozen_pass
from mechlab.circuits.attribution.naming import as_graph, source_node
from mechlab.circuits.attribution.pruning import pruned
from mechlab.circuits.attribution.targets import logit_targets
from mechlab.core.errors import UsageError
from mechlab.models.huggingface import HuggingFaceModel


@pytest.fixture(scope="module")
def graph():
    model = HuggingFaceModel(tiny("gpt2").double())
    frozen = replace(frozen_pass(model, random_set("topk", model.spec), token_rows(1, 6)), has_bos=True)
    return attribution_graph(frozen, logit_targets(frozen, (3, 7)))


def test_every_column_has_a_name_of_its_own(graph):
    sources = graph.sources
    nodes = [source_node(sources, column) for column in range(sources.n_columns)]
    assert len({node.name for node in nodes}) == sources.n_columns
    kinds = ["feature", "error", "token", "position", "bos"]
    assert list(dict.fromkeys(node.kind for node in nodes)) == kinds
    assert nodes[sources.starts["errors"] + 6 + 2].name == "error.1@2"
    assert nodes[sources.starts["positions"] + 4].name == "position@4" and nodes[-1].name == "bos.2"
    first = nodes[0]
    assert first.name == f"feature.0.{int(sources.feature[0])}@1" and (first.layer, first.position) == (0, 1)


def test_effects_of_edges_are_those_of_the_rows_and_lead_downwards(graph):
    kept = pruned(graph, nodes=0.7, edges=0.8)
    found = as_graph(graph, kept, ("three", "seven"))
    assert len(found.edges) == kept.n_edges and {"three", "seven"} <= set(found.by_name)
    columns = {source_node(graph.sources, column).name: column for column in range(graph.sources.n_columns)}
    for edge in found.edges:
        column = columns[edge.source]
        if edge.target in ("three", "seven"):
            wanted = graph.of_targets.effects[("three", "seven").index(edge.target), column]
        else:
            wanted = graph.of_features.effects[columns[edge.target], column]  # all are traced, in the order of columns
            ends = (found.by_name[edge.source], found.by_name[edge.target])
            assert ends[0].layer is None or ends[0].layer < ends[1].layer
            assert ends[0].position is None or ends[0].position <= ends[1].position
        assert edge.effect == float(wanted)


def test_targets_are_numbered_unless_named_and_names_have_to_fit(graph):
    kept = pruned(graph)
    assert {"target.0@5", "target.1@5"} <= set(as_graph(graph, kept).by_name)
    with pytest.raises(UsageError, match=r"names do not fit the targets: 1\. There are 2"):
        as_graph(graph, kept, ("one",))
    with pytest.raises(UsageError, match="one name"):
        as_graph(graph, kept, ("same", "same"))
    assert torch.equal(graph.targets.positions, torch.tensor([5, 5]))
