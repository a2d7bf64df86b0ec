"""The JSON holds to the format's facts for every architecture and kind of transcoder."""

import copy
import json

import pytest
from circuits.attribution.described_pieces import TARGETS, card, traced
from circuits.attribution.exchange_schema import faults

from mechlab.circuits.attribution.exchange import described_graph
from mechlab.circuits.attribution.exchange_json import graph_to_json, paired, unpaired
from mechlab.circuits.attribution.pruning import pruned


@pytest.fixture(scope="module")
def graph():
    found = traced()
    return graph_to_json(described_graph(found, pruned(found), TARGETS, card()))


@pytest.mark.parametrize(("family", "kind"), [("gpt2", "relu with a skip"), ("llama", "crosslayer_transcoder")])
def test_every_graph_holds_to_the_format(family, kind):
    found = traced(family=family, kind=kind, n_pos=5)
    made = graph_to_json(described_graph(found, pruned(found, nodes=0.9), TARGETS, card(5)))
    assert faults(made) == [] and len(made["nodes"]) > 20 and len(made["links"]) > 50


def test_the_check_itself_finds_what_is_wrong(graph):
    assert faults(graph) == []

    def broken(change):
        other = copy.deepcopy(graph)
        change(other)
        return faults(other)

    logit = next(at for at, node in enumerate(graph["nodes"]) if node["feature_type"] == "logit")
    assert broken(lambda one: one["nodes"][0].update(node_id=one["nodes"][1]["node_id"]))
    assert broken(lambda one: one["nodes"][0].update(feature="7"))
    assert broken(lambda one: one["nodes"][logit].update(clerp="tok"))
    assert broken(lambda one: one["links"][0].update(target="nowhere"))
    assert broken(lambda one: one["links"].append(one["links"][0]))
    assert broken(lambda one: one["nodes"][0].update(influence=1.2))
    assert broken(lambda one: one["metadata"].pop("prompt"))


def test_each_kind_of_node_stands_as_the_table_says(graph):
    by_type = {}
    for node in graph["nodes"]:
        by_type.setdefault(node["feature_type"], []).append(node)
    for node in by_type["cross layer transcoder"]:
        layer, number, position = map(int, node["node_id"].split("_"))
        assert node["feature"] == (layer + number) * (layer + number + 1) // 2 + number
        assert (node["layer"], node["ctx_idx"], node["jsNodeId"]) == (str(layer), position, f"{layer}_{number}-0")
        assert node["activation"] != 0 and node["run_idx"] == node["reverse_ctx_idx"] == 0
    for node in by_type["mlp reconstruction error"]:
        assert node["node_id"] == f"err_{node['layer']}_{node['ctx_idx']}" and node["feature"] == -1
        assert node["jsNodeId"] == f"{node['layer']}_{node['ctx_idx']}-0" and node["clerp"] == ""
    for node in by_type["embedding"]:
        vocabulary = node["node_id"].split("_")[1]
        assert node["node_id"] == f"E_{vocabulary}_{node['ctx_idx']}" and node["feature"] == node["ctx_idx"]
        assert (node["layer"], node["jsNodeId"]) == ("E", f"E_{vocabulary}-{node['ctx_idx']}")
    first, second = by_type["logit"]
    assert (first["node_id"], first["layer"], first["feature"]) == ("4_3_5", "4", 3)
    assert (first["jsNodeId"], first["token_prob"], first["is_target_logit"]) == ("L_3-5", 0.25, True)
    assert (second["node_id"], second["clerp"]) == ("4_62_5", 'Output "three less seven" (p=0.000)')
    starts = [f"bias_position_{place}" for place in range(6)] + [f"bias_bos_{layer}" for layer in range(3)]
    assert [node["node_id"] for node in by_type["bias"]] == [*starts, "bias_all"]


def test_equal_graphs_give_equal_bytes(graph):
    again = traced()
    assert json.dumps(graph_to_json(described_graph(again, pruned(again), TARGETS, card()))) == json.dumps(graph)


def test_one_number_stands_for_a_layer_and_a_number():
    pairs = [(layer, number) for layer in range(40) for number in (*range(40), 24_575, 10**9)]
    assert [unpaired(paired(*pair)) for pair in pairs] == pairs
    assert len({paired(*pair) for pair in pairs}) == len(pairs) and (paired(3, 5), paired(2, 3)) == (41, 18)
