"""What edits do is predicted: exactly along edges, well through features; controls are what they say they are."""

from collections import Counter

import pytest
import torch
from circuits.attribution.small_passes import small_pass

from mechlab.circuits.attribution.attribution_graph import AttributionGraph, attribution_graph
from mechlab.circuits.attribution.targets import logit_targets
from mechlab.circuits.attribution.validation import EditSettings, measured_edits
from mechlab.core.errors import UsageError
from mechlab.models.huggingface import HuggingFaceModel


def graph_of(family: str, kind: str, **options) -> tuple[HuggingFaceModel, AttributionGraph]:
    model, frozen, _ = small_pass(family, kind, n_pos=6)
    return model, attribution_graph(frozen, logit_targets(frozen, [3, 7]), **options)


@pytest.mark.parametrize(("family", "kind"), [("gpt2", "crosslayer_transcoder"), ("llama", "relu with a skip")])
def test_edges_are_what_edits_do_where_all_is_held(family, kind):
    model, graph = graph_of(family, kind)
    for settings in (EditSettings(n=6), EditSettings(n=6, factor=2.0), EditSettings(n=6, constant=3.0)):
        found = measured_edits(model, graph, settings)
        assert found["features"].largest_miss < 1e-9 and found["random features"].largest_miss < 1e-9
        code = graph.sources.code[found["features"].columns]
        effects = graph.of_targets.effects[:, found["features"].columns].T
        more = (settings.factor - 1) * code + settings.constant
        assert torch.allclose(found["features"].direct, effects * (more / code)[:, None])


def test_a_small_change_goes_through_all_features_as_predicted():
    model, graph = graph_of("gpt2", "relu with a skip")
    found = measured_edits(model, graph, EditSettings(n=40, factor=1 + 1e-7))
    for group in ("features", "random features"):
        edited = found[group]
        wanted, least = edited.total, 1e-6 * float(edited.total.abs().max())
        assert torch.allclose(edited.measured["replacement"], wanted, rtol=1e-4, atol=least)
        assert (edited.total - edited.direct).abs().max() > 0.1 * edited.direct.abs().max()
        assert torch.equal(edited.predicted("model"), edited.total) and torch.equal(
            edited.predicted("direct"), edited.direct
        )


def test_features_are_the_foremost_and_controls_stand_beside_them():
    model, graph = graph_of("gpt2", "topk", max_features=60)
    found, sources = measured_edits(model, graph, EditSettings(n=10)), graph.sources
    chosen, others = found["features"].columns, found["random features"].columns
    reached = graph.influence.columns[: len(sources.code)]
    assert set(chosen.tolist()) <= set(graph.visited.tolist())
    assert reached[chosen].min() >= reached[graph.visited].sort(descending=True).values[9]
    assert 8 <= len(others) <= 10 and not set(others.tolist()) & set(chosen.tolist())
    assert len(set(others.tolist())) == len(others)
    places = [
        Counter(zip(sources.layer[some].tolist(), sources.position[some].tolist(), strict=True))
        for some in (others, chosen)
    ]
    assert places[0] <= places[1]
    turned = found["random directions"]
    assert torch.equal(turned.columns, chosen.repeat(5))
    assert torch.equal(turned.direct, found["features"].direct.repeat(5, 1))
    assert not torch.allclose(turned.measured["direct"][:10], turned.measured["direct"][10:20])
    assert (turned.measured["direct"] - turned.direct).abs().max() > 0.1 * turned.direct.abs().max()


def test_the_seed_decides_the_controls_and_nothing_else():
    model, graph = graph_of("gpt2", "topk")
    one, same, other = (
        measured_edits(model, graph, EditSettings(n=8, seed=seed, n_directions=1)) for seed in (1, 1, 2)
    )
    for group in one:
        assert torch.equal(one[group].columns, same[group].columns)
        assert torch.equal(one[group].measured["model"], same[group].measured["model"])
    assert torch.equal(one["features"].measured["model"], other["features"].measured["model"])
    for group in ("random features", "random directions"):
        assert not torch.equal(one[group].measured["direct"], other[group].measured["direct"])


def test_rows_at_once_change_nothing_and_an_empty_graph_is_refused():
    model, graph = graph_of("llama", "relu")
    few, many = (measured_edits(model, graph, EditSettings(n=7, rows_at_once=rows, n_directions=1)) for rows in (2, 32))
    for group, edited in few.items():
        assert torch.allclose(edited.measured["model"], many[group].measured["model"], atol=1e-5)
    with pytest.raises(UsageError, match="no feature to edit"):
        measured_edits(*graph_of("gpt2", "relu", max_features=0))
