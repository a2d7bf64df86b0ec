"""What a viewer is told of a graph is what the graph holds: rows that add up, shares in order, all that was lost."""

import pytest
from circuits.attribution.described_pieces import TARGETS, card, traced

from mechlab.circuits.attribution.exchange import described_graph
from mechlab.circuits.attribution.naming import as_graph, source_node
from mechlab.circuits.attribution.pruning import pruned
from mechlab.core.errors import UsageError

NAMES = ("logit.3@5", "logit.62@5")  # 61 tokens: what is no single logit counts on from there


@pytest.fixture(scope="module")
def graph():
    return traced()


@pytest.fixture(scope="module")
def kept(graph):
    return pruned(graph, nodes=0.7, edges=0.9)


@pytest.fixture(scope="module")
def described(graph, kept):
    layer, number = int(graph.sources.layer[kept.columns[0]]), int(graph.sources.feature[kept.columns[0]])
    return described_graph(
        graph, kept, TARGETS, card(labels={f"{layer}.{number}": "a label"}, node_threshold=0.7, edge_threshold=0.9)
    )


def test_nodes_and_effects_are_those_kept_and_the_biases(graph, kept, described):
    plain = as_graph(graph, kept, NAMES)
    assert described.graph.nodes[:-1] == plain.nodes and described.graph.edges[: len(plain.edges)] == plain.edges
    others = described.graph.edges[len(plain.edges) :]
    assert {edge.source for edge in others} == {"bias"}
    assert sorted(edge.target for edge in others) == sorted(
        node.name for node in plain.nodes if node.kind in ("feature", "target")
    )


def test_all_effects_and_the_bias_of_a_row_make_up_its_value(graph, described):
    whole = pruned(graph, nodes=1.0, edges=1.0)
    found = described_graph(graph, whole, TARGETS, card())
    values = found.metadata["mechlab"]["values"]
    for name, own_id in (("logit.3@5", "4_3_5"), ("logit.62@5", "4_62_5")):
        into = sum(edge.effect for edge in found.graph.edges if edge.target == name)
        row = graph.of_targets.effects[NAMES.index(name)].sum() + graph.of_targets.bias[NAMES.index(name)]
        assert values[own_id] == pytest.approx(into, abs=1e-9) == float(row)
        assert values[own_id] == pytest.approx(float(graph.targets.values[NAMES.index(name)]), abs=1e-9)
    biases = described.metadata["mechlab"]["biases"]
    own = {edge.target: edge.effect for edge in described.graph.edges if edge.source == "bias"}
    assert sorted(biases.values()) == sorted(own.values()) and len(biases) == len(own)


def test_influence_counts_all_with_as_much_or_more(graph, kept, described):
    found = graph.influence.columns[: graph.sources.starts["tokens"]].tolist()
    columns = {source_node(graph.sources, column).name: column for column in kept.columns.tolist()}
    shares = {name: one.influence for name, one in described.facts.items() if one.influence is not None}
    assert len(shares) == len([column for column in columns.values() if column < len(found)])
    for name, share in shares.items():
        wanted = sum(value for value in found if value >= found[columns[name]]) / sum(found)
        assert share == pytest.approx(wanted)
    assert max(shares.values()) <= described.metadata["node_threshold"], "no viewer may drop what was kept"
    assert max(shares.values()) > 0.7, "the node that crosses the share is kept"


def test_features_tell_their_code_and_label_and_targets_their_probability(graph, kept, described):
    first = source_node(graph.sources, int(kept.columns[0])).name
    facts = described.facts[first]
    assert (facts.label, facts.activation) == ("a label", float(graph.sources.code[kept.columns[0]]))
    assert described.facts[NAMES[0]].label == 'Output "say "x"" (p=0.250)' and described.facts[NAMES[0]].is_target
    assert not described.facts[NAMES[1]].is_target and described.facts["bos.1"].label == "MLP 1 at BOS"


def test_scores_and_what_pruning_lost_are_told(graph, kept, described):
    own = described.metadata["mechlab"]
    assert own["scores"]["replacement"] == graph.replacement_score
    assert own["scores"]["bias_share"] == graph.influence.bias
    assert own["kept"]["features"] == len(kept.rows) < own["kept"]["of_features_active"] == len(graph.sources.code)
    assert (own["kept"]["edges"], own["kept"]["of_targets"]) == (kept.n_edges, kept.of_targets)
    assert own["directions"] == ["4_62_5"] and own["weights"] == {"4_3_5": 0.5, "4_62_5": 0.5}
    settings = described.metadata["pruning_settings"]
    assert settings == {"node_threshold": 0.7, "edge_threshold": 0.9}


def test_names_and_texts_have_to_fit(graph, kept):
    with pytest.raises(UsageError, match=r"names do not fit the targets: 1\. There are 2"):
        described_graph(graph, kept, TARGETS[:1], card())
    with pytest.raises(UsageError, match=r"texts do not fit the tokens: 5\. The prompt has 6 tokens"):
        described_graph(graph, kept, TARGETS, card(5))
    with pytest.raises(UsageError, match="one name"):
        described_graph(graph, kept, (TARGETS[0], TARGETS[0]), card())


def test_a_graph_of_untraced_features_is_described_too():
    few = traced(max_features=0)
    found = described_graph(few, pruned(few, nodes=1.0, edges=1.0), TARGETS, card())
    assert not [node for node in found.graph.nodes if node.kind == "feature"]
    assert found.metadata["mechlab"]["kept"]["of_features_traced"] == 0
    least = described_graph(few, pruned(few, nodes=0.05), TARGETS, card(node_threshold=0.8))
    assert least.metadata["node_threshold"] == 0.8, "the share asked for, where what is kept holds less"
