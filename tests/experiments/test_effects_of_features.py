"""Experiment 014: predictions are exact where all is held; measurements are the library's."""

from collections.abc import Iterator
from types import SimpleNamespace

import pytest
import torch
from circuits.asked_pairs import random_pairs
from circuits.attribution.random_transcoders import random_set
from experiment_pieces import pieces_of
from oracles.tiny_models import tiny

import mechlab
from mechlab.models.huggingface import HuggingFaceModel

PLACE = "014_effects_of_features"
N, FREE, HELD = 12, "replacement, attention free", "model, attention held"


@pytest.fixture(scope="module")
def pieces() -> Iterator[SimpleNamespace]:
    with pieces_of(PLACE, "subject", "effects", "comparing", "keeping", "answering") as found:
        yield found


@pytest.fixture(scope="module")
def asked(pieces: SimpleNamespace) -> SimpleNamespace:
    model = HuggingFaceModel(tiny("gpt2").double())
    transcoders, pairs = random_set("topk", model.spec), random_pairs(3)
    one = pairs.select(slice(0, 1))
    graph = pieces.effects.graph_of(model, transcoders, one)
    return SimpleNamespace(model=model, transcoders=transcoders, pairs=pairs, one=one, graph=graph)


def test_with_all_held_features_do_what_the_graph_says_over_all_paths(
    pieces: SimpleNamespace, asked: SimpleNamespace
) -> None:
    every = torch.arange(len(asked.graph.sources.code))
    for part in (1.0, 0.1):
        found = pieces.effects.changed(asked.model, asked.graph, asked.one, every, part)
        torch.testing.assert_close(found.told["total"], found.measured["linear"], atol=1e-9, rtol=1e-6)
        assert (found.told["total"] - found.told["direct"]).abs().max() > 1e-3 * part
        assert (found.told["total"] - found.measured["replacement"]).abs().max() > 1e-3 * part


def test_predictions_and_measurements_are_the_librarys(pieces: SimpleNamespace, asked: SimpleNamespace) -> None:
    edited = mechlab.measured_edits(asked.model, asked.graph, mechlab.EditSettings(n=N, n_directions=1))["features"]
    found = pieces.effects.changed(asked.model, asked.graph, asked.one, edited.columns)
    torch.testing.assert_close(found.told["total"], edited.total[:, 0], atol=1e-9, rtol=1e-6)
    torch.testing.assert_close(found.told["direct"], edited.direct[:, 0], atol=1e-9, rtol=1e-6)
    for regime in ("replacement", "model"):
        torch.testing.assert_close(found.measured[regime], edited.measured[regime][:, 0], atol=1e-9, rtol=1e-6)


def test_what_needs_no_graph_is_told_by_code_and_decoder(pieces: SimpleNamespace, asked: SimpleNamespace) -> None:
    sources, columns = asked.graph.sources, torch.arange(0, len(asked.graph.sources.code), 7)
    found = pieces.effects.changed(asked.model, asked.graph, asked.one, columns, 0.5)
    for place, column in enumerate(columns.tolist()):
        row = asked.transcoders.layers[int(sources.layer[column])].W_dec[int(sources.feature[column])]
        assert found.told["decoder norm"][place] == pytest.approx(float(row.norm()))
        assert found.told["code"][place] == pytest.approx(float(sources.code[column]))


def test_where_no_feature_switches_the_replacement_model_is_linear(
    pieces: SimpleNamespace, asked: SimpleNamespace
) -> None:
    every = torch.arange(len(asked.graph.sources.code))
    found = pieces.effects.changed(asked.model, asked.graph, asked.one, every)
    still, missed = found.switched == 0, (found.measured["replacement"] - found.measured["linear"]).abs()
    assert 0 < still.sum() < len(every)
    assert missed[still].max() < 1e-9 and missed[~still].max() > 1e-3
    last = asked.model.spec.n_layers - 1
    assert still[asked.graph.sources.layer == last].all()
    told = pieces.comparing.switching(
        *(one[None] for one in (found.told["total"], found.measured["replacement"])), found.switched[None]
    )
    assert told["share"][0] == pytest.approx(float(still.double().mean()), abs=1e-4)
    assert told["largest miss"]["nothing switches"] < 1e-9 and told["pearson"]["nothing switches"] == 1


def test_attention_follows_where_it_is_free(pieces: SimpleNamespace, asked: SimpleNamespace) -> None:
    """At the last MLP and token nothing but the last norm follows: there the regime is the model itself."""
    sources, last = asked.graph.sources, asked.model.spec.n_layers - 1
    at_end = (sources.layer == last) & (sources.position == asked.graph.frozen.n_pos - 1)
    found = pieces.effects.changed(asked.model, asked.graph, asked.one, at_end.nonzero().squeeze(1))
    free, own, *held = (found.measured[name] for name in (FREE, "model", "linear", "replacement", HELD))
    torch.testing.assert_close(free, own, atol=1e-9, rtol=1e-6)
    assert (free - held[0]).abs().max() > 1e-6
    for one in held:
        torch.testing.assert_close(one, held[0], atol=1e-9, rtol=1e-6)
    early = pieces.effects.changed(asked.model, asked.graph, asked.one, (sources.layer == 0).nonzero().squeeze(1)[:N])
    measured = [early.measured[name] for name in ("replacement", FREE, HELD, "model")]
    for number, one in enumerate(measured):
        assert all((one - other).abs().max() > 1e-6 for other in measured[:number])


def test_with_attention_and_norms_held_only_mlps_bend_what_follows(
    pieces: SimpleNamespace, asked: SimpleNamespace
) -> None:
    """Tiny parts do what the slopes of the MLPs say, so that halves add up; behind the last MLP nothing bends."""
    some = (asked.graph.sources.layer == 0).nonzero().squeeze(1)[:N]
    tiny_part, half = (
        pieces.effects.changed(asked.model, asked.graph, asked.one, some, part).measured[HELD] for part in (1e-4, 5e-5)
    )
    torch.testing.assert_close(tiny_part, 2 * half, atol=1e-9, rtol=1e-3)
    last = (asked.graph.sources.layer == asked.model.spec.n_layers - 1).nonzero().squeeze(1)
    found = pieces.effects.changed(asked.model, asked.graph, asked.one, last).measured
    torch.testing.assert_close(found[HELD], found["linear"], atol=1e-9, rtol=1e-6)


def test_drawn_features_are_others_than_the_foremost(pieces: SimpleNamespace, asked: SimpleNamespace) -> None:
    groups = pieces.effects.foremost_and_drawn(asked.graph, N, torch.Generator().manual_seed(0))
    foremost, drawn = groups["foremost"].tolist(), groups["drawn"].tolist()
    assert len(set(foremost)) == len(set(drawn)) == N and not set(foremost) & set(drawn)
    sources, last = asked.graph.sources, asked.model.spec.n_layers - 1
    at_end = sources.position == asked.graph.frozen.n_pos - 1
    assert ((sources.layer < last) | at_end)[foremost + drawn].all()
    reached = asked.graph.influence.columns[: len(asked.graph.sources.code)]
    assert reached[foremost].min() >= reached[drawn].max()


def test_a_prediction_that_is_right_agrees_and_a_turned_one_does_not(pieces: SimpleNamespace) -> None:
    draw = torch.Generator().manual_seed(0)
    measured = torch.randn(20, 8, generator=draw, dtype=torch.float64)
    right, turned = pieces.comparing.signed(measured / 2, measured), pieces.comparing.signed(-measured, measured)
    assert right["pearson"][0] == right["spearman within prompts"][0] == pytest.approx(1) and right["slope"][0] == 2
    assert right["right signs"][0] == 1 and right["right signs"][-1] == int((measured.abs() >= 0.01).sum())
    assert turned["spearman"][0] == pytest.approx(-1) and turned["right signs"][0] == 0
    assert pieces.comparing.by_size(-measured, measured)["pearson"][0] == pytest.approx(1)
    by_chance = pieces.comparing.shuffled(measured, measured, 20)
    assert 0 < abs(by_chance["pearson"]) < 0.35 and 0.4 < by_chance["right signs"] < 0.7
    assert pieces.comparing._ranked(torch.tensor([0.0, 3.0, 0.0])).tolist() == [1.5, 3, 1.5]
    assert pieces.comparing.largest_miss(measured, measured * 1.01) == pytest.approx(0.01)


def test_all_features_leave_the_whole_outcome_and_areas_are_those_of_the_curve(
    pieces: SimpleNamespace, asked: SimpleNamespace
) -> None:
    settings = {"shares": [0.1, 0.5, 1.0], "n_random": 2}
    found = pieces.keeping.circuits(asked.model, asked.transcoders, [asked.graph], [asked.pairs], settings)
    f = found["features"]["f"]
    assert f[-1] == pytest.approx(1, abs=1e-4) and found["sizes"][0] < found["sizes"][1] < found["sizes"][2]
    assert found["features"]["cpr"][0] == pytest.approx(0.2 * (f[0] + f[1]) + 0.25 * (f[1] + f[2]), abs=1e-3)
    between = found["features"]["cpr"][0] - found["neurons"]["cpr"][0]
    assert found["features less neurons"][0] == pytest.approx(between, abs=2e-4)


def test_answers_tell_every_group_and_part_of_each_task_and_of_all(
    pieces: SimpleNamespace, asked: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pieces.answering, "prompts", lambda model, settings, task, more=0: (asked.pairs,))
    settings = {"tasks": ["a", "b"], "n_each": 4, "pushes": [1.0, 0.1], "n_shuffles": 2, "fresh": 1}
    settings["outcomes"] = {"a": "logits", "b": "probabilities"}
    settings["circuits"] = {"shares": [0.5, 1.0], "n_random": 1}
    found = pieces.answering.answers(asked.model, asked.transcoders, settings, 0)
    assert set(found["effects"]) == {"foremost, 1", "foremost, 0.1", "drawn, 1", "drawn, 0.1"}
    assert all(set(own) == {"a", "b", "all"} and own["all"]["largest miss"] < 1e-6 for own in found["effects"].values())
    models = [found["circuits"][task]["none, model"]["features"][1] for task in ("a", "b")]
    for value, outcome in zip(models, (mechlab.LogitDifference(), mechlab.ProbabilityDifference()), strict=True):
        wanted = outcome.of(asked.model.logits(asked.pairs.clean)[:, -1], {}, asked.pairs).mean()
        assert value == pytest.approx(float(wanted), abs=1e-3)
