"""The page's words say what was asked, kept and lost; what is known of other features stays away."""

import json

import pytest
from views.sample_attribution import features_of, sample_details, sample_graph

from mechlab.circuits.attribution.exchange_reading import graph_from_json
from mechlab.core.errors import UsageError
from mechlab.views.attribution_data import AttributionPageData
from mechlab.views.numbers import share


def of(graph, details=()):
    return AttributionPageData.of(graph_from_json(graph), dict(details))


def test_what_was_asked_and_what_was_lost_stand_in_words():
    graph = sample_graph()
    data, own = of(graph), graph["metadata"]["mechlab"]
    assert data.asked.startswith("What makes “␣snow” (p\u00a0=\u00a00.250), snow less pumpkin? Kept are ")
    told = data.asked.replace("\u00a0", " ")
    for part in (
        f"{own['kept']['features']} of {own['kept']['of_features_active']} active features",
        f"{own['kept']['edges']} links",
        f"hold {share(own['kept']['influence'])} of the influence",
        f"comes {share(own['kept']['of_targets'])} of what the outputs take",
    ):
        assert part in told
    scores = {score.label: score.value for score in data.scores}
    assert scores["Bias share"] == share(own["scores"]["bias_share"])
    assert scores["Replacement score"] == share(own["scores"]["replacement"]) and len(scores) == 4
    assert {fact.label: fact.value for fact in data.facts}["nodes kept by influence"] == "90 %"


def test_features_that_were_not_traced_are_told():
    graph = json.loads(json.dumps(sample_graph()))
    graph["metadata"]["mechlab"]["kept"]["of_features_traced"] = 40
    assert "active features, 40 of them traced, and" in of(graph).asked


def test_a_foreign_file_is_said_to_tell_no_scores():
    graph = json.loads(json.dumps(sample_graph()))
    for key in ("mechlab", "info", "generation_settings", "pruning_settings"):
        del graph["metadata"][key]
    data = of(graph)
    assert data.scores == data.facts == () and "tells neither scores nor what was pruned" in data.asked
    assert any("need not sum to its value" in note for note in data.notes)


def test_only_features_of_the_graph_are_described():
    data = of(sample_graph(), sample_details())
    assert list(data.features) == sorted(features_of(sample_graph())[:2])


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), object()])
def test_what_is_no_json_is_refused_in_one_line(wrong):
    name = features_of(sample_graph())[0]
    with pytest.raises(UsageError, match=f"what is told of a feature is no JSON: '{name}'"):
        of(sample_graph(), {name: {"act_max": wrong}})


@pytest.mark.parametrize(
    "wrong",
    [
        {"mechlab": [1]},
        {"mechlab": {"kept": {"features": 3}}},
        {"mechlab": {"scores": {"bias_share": "x"}}},
        {"info": "me"},
    ],
)
def test_metadata_of_another_shape_are_refused_in_one_line(wrong):
    graph = json.loads(json.dumps(sample_graph()))
    graph["metadata"] |= wrong
    with pytest.raises(UsageError, match="metadata of the graph are damaged: 'a-graph'") as error:
        of(graph)
    assert "\n" not in str(error.value)


def test_a_graph_that_asks_about_nothing_has_a_page():
    graph = json.loads(json.dumps(sample_graph()))
    gone = {node["node_id"] for node in graph["nodes"] if node["feature_type"] == "logit"}
    graph["nodes"] = [node for node in graph["nodes"] if node["node_id"] not in gone]
    graph["links"] = [link for link in graph["links"] if link["target"] not in gone]
    assert of(graph).asked.startswith("Nothing is asked about.")
