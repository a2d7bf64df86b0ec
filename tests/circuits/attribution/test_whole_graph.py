"""The tables hold all that the graph holds: rows sum to values, and what is read back is what was written."""

from dataclasses import replace

import pytest
import torch
from circuits.attribution.random_transcoders import random_set
from oracles.tiny_models import tiny, token_rows

from mechlab.circuits.attribution.attribution_graph import attribution_graph
from mechlab.circuits.attribution.frozen_pass import frozen_pass
from mechlab.circuits.attribution.naming import as_graph
from mechlab.circuits.attribution.pruning import pruned
from mechlab.circuits.attribution.targets import logit_targets
from mechlab.circuits.attribution.whole_graph import WholeGraph
from mechlab.core.errors import ArtifactError, UsageError
from mechlab.models.huggingface import HuggingFaceModel


@pytest.fixture(scope="module")
def traced():
    model = HuggingFaceModel(tiny("gpt2").double())
    frozen = replace(frozen_pass(model, random_set("topk", model.spec), token_rows(1, 6)), has_bos=True)
    graph = attribution_graph(frozen, logit_targets(frozen, (3, 7)), max_features=30)
    kept = pruned(graph, nodes=0.7, edges=0.8)
    return graph, kept, WholeGraph.of(graph, kept, ("three", "seven"))


def test_effects_and_bias_of_every_traced_node_sum_to_what_it_was(traced):
    graph, _, whole = traced
    n_traced = 0
    for place, name in enumerate(whole.texts["name"]):
        effects = sum(edge.effect for edge in whole.into(place))
        if whole.numbers["is_traced"][place]:
            n_traced += 1
            pre = effects + float(whole.numbers["bias"][place])
            assert pre == pytest.approx(float(whole.numbers["value"][place]), rel=1e-9, abs=1e-9), name
        else:
            assert effects == 0
    assert n_traced == 30 + 2 and float(graph.largest_miss) < 1e-10


def test_nodes_are_all_sources_and_targets_with_what_they_were(traced):
    graph, kept, whole = traced
    numbers = whole.numbers
    assert len(whole.texts["name"]) == graph.sources.n_columns + 2
    assert whole.texts["name"][-2:] == ["three", "seven"] and whole.places("target") == [
        len(numbers["value"]) - 2 + i for i in (0, 1)
    ]
    features = whole.places("feature")
    torch.testing.assert_close(numbers["value"][features], graph.sources.code)
    assert torch.isnan(numbers["value"][whole.places("token")]).all()
    torch.testing.assert_close(numbers["influence"][:-2], graph.influence.columns)
    assert set(numbers["is_kept"].nonzero().squeeze(1).tolist()[:-2]) == set(kept.columns.tolist())
    assert int(numbers["layer"][whole.places("token")[0]]) == -1


def test_what_was_kept_is_a_graph_that_holds_the_pruned_one(traced):
    graph, kept, whole = traced
    pruned_edges = {(edge.source, edge.target): edge.effect for edge in as_graph(graph, kept, ("three", "seven")).edges}
    all_edges = {(edge.source, edge.target): edge.effect for edge in whole.kept().edges}
    assert pruned_edges and all_edges.items() >= pruned_edges.items()
    assert {node.name for node in whole.kept().nodes} == {
        node.name for node in as_graph(graph, kept, ("three", "seven")).nodes
    }


def test_the_strongest_effects_come_first(traced):
    _, _, whole = traced
    first, *rest = whole.into(whole.places("target")[0], 5)
    assert len(rest) == 4 and all(abs(first.effect) >= abs(edge.effect) for edge in rest)
    assert first.target == "three" and abs(first.effect) == max(
        abs(one.effect) for one in whole.into(whole.places("target")[0])
    )


def test_tables_are_read_back_and_a_missing_column_is_told(traced):
    _, _, whole = traced
    again = WholeGraph.restored(whole.node_columns(), whole.edge_columns())
    assert again.texts == whole.texts and again.kept() == whole.kept()
    nodes = {name: column for name, column in whole.node_columns().items() if name != "bias"}
    with pytest.raises(ArtifactError, match="bias"):
        WholeGraph.restored(nodes, whole.edge_columns())
    with pytest.raises(ArtifactError, match="effect"):
        WholeGraph.restored(whole.node_columns(), {"source": torch.zeros(1), "target": torch.zeros(1)})


def test_names_that_do_not_fit_are_refused(traced):
    graph, kept, _ = traced
    with pytest.raises(UsageError, match="names do not fit"):
        WholeGraph.of(graph, kept, ("one",))
