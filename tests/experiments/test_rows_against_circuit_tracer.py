"""The pieces of experiment 011: one case for both sides, what differs is told by kind, a missing peer is one line."""

from importlib.util import find_spec
from types import SimpleNamespace

import pytest
import torch
from experiment_pieces import pieces_of

from mechlab.core.errors import UsageError

SETTINGS = {
    "seed": 0,
    "targets": [3, 7],
    "model": {"n_layer": 2, "n_embd": 32, "n_head": 2, "vocab_size": 60},
    "d_sae": 48,
}


@pytest.fixture(scope="module")
def pieces():
    with pieces_of("011_rows_against_circuit_tracer", "cases", "theirs", "agreement", "comparing", "run") as found:
        yield found


@pytest.fixture(scope="module")
def folder(pieces, tmp_path_factory):
    found = tmp_path_factory.mktemp("set")
    pieces.cases.write_folder(SETTINGS, found)
    return found


@pytest.fixture(scope="module")
def graph(pieces, folder):
    return pieces.cases.ours(pieces.cases.case_of(SETTINGS, folder, k=6, n_pos=7), on_use=True)()


def test_a_case_is_the_same_every_time_and_begins_with_bos(pieces, folder):
    first, second = (pieces.cases.case_of(SETTINGS, folder, k=6, n_pos=7) for _ in range(2))
    assert torch.equal(first.tokens, second.tokens) and int(first.tokens[0, 0]) == pieces.cases.BOS
    for one, other in zip(first.module.parameters(), second.module.parameters(), strict=True):
        assert torch.equal(one, other)


def test_the_graph_is_the_same_with_weights_held(pieces, folder, graph):
    held = pieces.cases.ours(pieces.cases.case_of(SETTINGS, folder, k=6, n_pos=7), on_use=False)()
    assert torch.equal(held.of_features.effects, graph.of_features.effects)


def test_all_features_are_traced_but_those_at_bos(graph):
    assert len(graph.visited) <= 2 * 6 * 6 and not (graph.sources.position == 0).any()
    assert graph.largest_miss < 1e-5 and graph.sources.bos is not None


def alike(graph) -> SimpleNamespace:
    """Return the same graph as the other side would give it."""
    sources, n = graph.sources, len(graph.sources.code)
    n_ends, n_targets = sources.starts["positions"], len(graph.targets)
    matrix = torch.zeros(n_ends + n_targets, n_ends + n_targets)
    matrix[:n, :n_ends] = graph.of_features.effects[:, :n_ends]
    matrix[-n_targets:, :n_ends] = graph.of_targets.effects[:, :n_ends]
    places = torch.stack([sources.layer, sources.position, sources.feature], dim=1)
    return SimpleNamespace(adjacency_matrix=matrix, active_features=places)


@pytest.mark.parametrize(("kind", "column"), [("features", "features"), ("errors", "errors"), ("tokens", "tokens")])
@pytest.mark.parametrize("row", [0, -1])
def test_a_difference_is_told_by_its_kind(pieces, graph, kind, column, row):
    other = alike(graph)
    equal = pieces.agreement.differences(graph, other)
    assert equal.pop("largest_effect") > 0 and set(equal.values()) == {0.0}
    other.adjacency_matrix[row, graph.sources.starts[column]] += 0.25
    found = pieces.agreement.differences(graph, other)
    assert found[kind] == pytest.approx(0.25, abs=1e-6) and sum(found[one] > 0 for one in equal) == 1


def test_other_features_are_no_comparison(pieces, graph):
    other = alike(graph)
    other.active_features = other.active_features.flip(0)
    with pytest.raises(AssertionError, match="other features are on"):
        pieces.agreement.differences(graph, other)


@pytest.mark.skipif(find_spec("circuit_tracer") is not None, reason="circuit-tracer is there")
def test_a_missing_peer_is_one_line(pieces, folder):
    with pytest.raises(UsageError, match="circuit-tracer is not there"):
        pieces.theirs.theirs(pieces.cases.case_of(SETTINGS, folder, k=6, n_pos=7), at_once=8, lazy_encoder=True)
