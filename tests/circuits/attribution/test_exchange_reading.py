"""A graph comes back as it was written; others' files are read and their confusions undone; what is none is refused."""

import copy
import json

import pytest
from circuits.attribution.described_pieces import TARGETS, card, traced
from circuits.attribution.exchange_schema import faults

from mechlab.circuits.attribution.exchange import described_graph
from mechlab.circuits.attribution.exchange_json import graph_to_json
from mechlab.circuits.attribution.exchange_reading import graph_from_json
from mechlab.circuits.attribution.pruning import pruned
from mechlab.core.errors import UsageError


@pytest.fixture(scope="module")
def described():
    graph = traced()
    return described_graph(graph, pruned(graph, nodes=0.9), TARGETS, card())


def theirs() -> dict:
    """A graph as circuit-tracer lays it out: the error of layer 2 and feature 2 of layer 0, both at 1, have one id."""

    def node(node_id, feature, layer, place, kind, page, clerp="", influence=None):
        fields = {"token_prob": 0.0, "is_target_logit": False, "run_idx": 0, "reverse_ctx_idx": 0, "activation": None}
        own = {"node_id": node_id, "feature": feature, "layer": layer, "ctx_idx": place, "feature_type": kind}
        return {**own, **fields, "jsNodeId": page, "clerp": clerp, "influence": influence}

    coder, error = "cross layer transcoder", "mlp reconstruction error"
    nodes = [
        node("0_2_1", 5, "0", 1, coder, "0_2-0", influence=0.2),
        node("1_4_1", 19, "1", 1, coder, "1_4-0", influence=0.3),
        node("3_4_1", 32, "3", 1, coder, "3_4-0", influence=0.4),
        node("0_2_1", -1, "2", 1, error, "2_1-0", influence=0.5),
        node("0_1_0", -1, "1", 0, error, "1_0-0", influence=0.6),
        node("E_9_0", 0, "E", 0, "embedding", "E_9-0"),
        node("5_7_1", 7, "5", 1, "logit", "L_7-1", 'Output " x" (p=0.700)'),
    ]
    links = [
        ("0_2_1", "1_4_1", 1.0),
        ("0_2_1", "3_4_1", 2.0),
        ("0_2_1", "3_4_1", 3.0),
        ("0_2_1", "5_7_1", 4.0),
        ("0_1_0", "5_7_1", 5.0),
        ("E_9_0", "0_2_1", 6.0),
    ]
    metadata = {"slug": "s", "scan": "m", "transcoder_list": [], "prompt_tokens": ["a", "b"], "prompt": "ab"}
    marks = {"pinnedIds": ["0_2_1", "gone", "0_1_0"], "supernodes": [["x", "1_4_1", "0_1_0"]], "linkType": "both"}
    return {
        "metadata": metadata | {"schema_version": 1, "node_threshold": 0.8},
        "qParams": marks | {"clickedId": "0_1_0", "sg_pos": ""},
        "nodes": nodes,
        "links": [{"source": source, "target": target, "weight": weight} for source, target, weight in links],
    }


def test_a_graph_comes_back_as_it_was(described):
    written = graph_to_json(described)
    read = graph_from_json(json.loads(json.dumps(written)))
    assert read == described
    assert graph_to_json(read) == written


def test_edits_come_back_too(described):
    ids = [node["node_id"] for node in graph_to_json(described)["nodes"]]
    marks = {"pinnedIds": ids[:3], "supernodes": [["seasons", *ids[:2]]], "clickedId": ids[0]}
    written = graph_to_json(described)
    written["qParams"] |= marks
    assert graph_to_json(graph_from_json(written))["qParams"] == written["qParams"]


def test_types_tell_nodes_of_one_id_apart_and_links_follow():
    found = graph_from_json(theirs())
    effects = {(edge.source, edge.target): edge.effect for edge in found.graph.edges}
    assert effects == {
        ("feature.0.2@1", "feature.1.4@1"): 1.0,  # an error of layer 2 reaches layer 3 first
        ("feature.0.2@1", "feature.3.4@1"): 2.0,
        ("error.2@1", "feature.3.4@1"): 3.0,
        ("feature.0.2@1", "logit.7@1"): 4.0,  # cannot be known, and is counted
        ("error.1@0", "logit.7@1"): 5.0,
        ("token@0", "feature.0.2@1"): 6.0,
    }
    assert found.n_unclear == 1
    assert found.facts["feature.3.4@1"].number == 4 and found.graph.by_name["logit.7@1"].layer == 4
    again = graph_to_json(found)
    assert faults(again) == []
    assert again["qParams"]["pinnedIds"] == ["0_2_1", "err_1_0"]
    assert again["qParams"]["supernodes"] == [["x", "1_4_1", "err_1_0"]] and again["qParams"]["clickedId"] == "err_1_0"


def test_without_a_version_the_number_stands_in_the_id():
    value = theirs()
    del value["metadata"]["schema_version"]
    value["nodes"][1]["feature"] = 10_004
    assert graph_from_json(value).facts["feature.1.4@1"].number == 4


def test_types_no_name_is_known_for_keep_their_id_and_their_keys():
    value = theirs()
    value["nodes"][1] |= {"feature_type": "lorsa", "lorsa_pattern": [1, 2]}
    found = graph_from_json(value)
    assert found.graph.by_name["1_4_1"].kind == "lorsa"
    assert graph_to_json(found)["nodes"][1] == value["nodes"][1]


def change(path, new):
    def changed(value):
        for key in path[:-1]:
            value = value[key]
        if new is None:
            del value[path[-1]]
        else:
            value[path[-1]] = new

    return changed


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (change(["nodes"], None), "there is no nodes"),
        (change(["links"], {}), "links is dict, not list"),
        (change(["metadata", "slug"], None), "there is no metadata.slug"),
        (change(["metadata", "prompt_tokens"], ["a", 3]), "metadata.prompt_tokens holds what is no text"),
        (change(["nodes", 2, "ctx_idx"], None), "there is no nodes[2].ctx_idx"),
        (change(["nodes", 2, "ctx_idx"], True), "nodes[2].ctx_idx is bool, not int"),
        (change(["nodes", 2, "ctx_idx"], 2), "nodes[2].ctx_idx is 2, the prompt has 2 tokens"),
        (change(["nodes", 2, "layer"], "top"), "nodes[2].layer is 'top', neither E nor a number"),
        (change(["nodes", 3, "layer"], "E"), "nodes[3] is of type mlp reconstruction error and has no layer"),
        (change(["nodes", 0], 7), "nodes[0] is no JSON object"),
        (change(["nodes", 0, "influence"], float("nan")), "nodes[0].influence is no finite number"),
        (change(["nodes", 1, "node_id"], "3_4_1"), "2 nodes are called 3_4_1"),
        (change(["links", 1, "target"], "9_9_9"), "links[1] leads from 0_2_1 to 9_9_9, and one of them is no node"),
        (change(["links", 1, "weight"], "much"), "links[1].weight is no finite number"),
        (change(["links", 1, "weight"], None), "links[1] lacks source, target or weight"),
        (change(["links", 4], {"source": "E_9_0", "target": "0_2_1", "weight": 1}), "links[5] stands twice"),
    ],
)
def test_what_is_no_such_graph_is_refused_in_one_line(broken, said):
    value = copy.deepcopy(theirs())
    broken(value)
    with pytest.raises(UsageError) as error:
        graph_from_json(value)
    line = str(error.value)
    assert said in line.replace('"', "'").replace("\\'", "'") and line.startswith("JSON is no attribution graph")
    assert "\n" not in line and "circuit-tracer" in line


def test_two_nodes_that_are_one_are_refused():
    value = theirs()
    value["nodes"].append(dict(value["nodes"][1], node_id="other"))
    with pytest.raises(UsageError, match=r"two nodes are feature\.1\.4@1, other in the file"):
        graph_from_json(value)


@pytest.mark.parametrize("value", [[], "text", None, 3])
def test_what_is_no_object_is_refused(value):
    with pytest.raises(UsageError, match="it is no JSON object"):
        graph_from_json(value)


@pytest.mark.parametrize("marks", [None, 3, {"pinnedIds": 3, "supernodes": [3, [], [["x"]]], "clickedId": [1]}])
def test_marks_that_make_no_sense_are_passed_over(marks):
    value = theirs() | {"qParams": marks}
    found = graph_from_json(value).marks
    assert found["pinnedIds"] == [] and found["clickedId"] == ""
