"""Circuits hold the best edges, or grow from the logits down."""

import pytest
import torch
from circuits.patching.small_models import small

from mechlab.circuits.patching.selection import best_edges, greedy_edges, node_circuits, random_ranking
from mechlab.core.errors import UsageError


def names(found, circuit):
    return {found.names((source, reader)) for source, reader in circuit.nonzero().tolist()}


def test_the_best_edges_are_those_that_rank_highest_wherever_they_are():
    found = small("gpt2")
    ranking = random_ranking(found.wiring, 0)
    circuits = best_edges(found.wiring, ranking, [0, 1, 7, found.wiring.n_edges])
    assert [int(circuit.sum()) for circuit in circuits] == [0, 1, 7, found.wiring.n_edges]
    values = ranking[found.wiring.is_edge].sort(descending=True).values
    assert torch.equal(ranking[circuits[2]].sort(descending=True).values, values[:7])
    assert torch.equal(circuits[3], found.wiring.is_edge) and not (circuits[2] & ~circuits[3]).any()


def test_greedy_circuits_grow_from_the_logits_and_take_no_edge_into_what_is_not_in():
    found = small("gpt2")
    ranking = torch.zeros(found.wiring.is_edge.shape)
    worth = [
        ("head.2.1", "logits", 1.0),
        ("input", "head.2.1.v", 3.0),
        ("mlp.0", "head.2.1.q", 2.0),
        ("input", "mlp.0", 9.0),
        ("input", "head.1.0.k", 50.0),
    ]
    for source, reader, score in worth:
        ranking[found.wiring.edge(source, reader)] = score
    grown = greedy_edges(found.wiring, ranking, [1, 2, 3, 4, found.wiring.n_edges])
    wanted = [(source, reader) for source, reader, _ in worth]
    for n, circuit in enumerate(grown[:4], start=1):
        assert names(found, circuit) == set(wanted[:n])
    assert torch.equal(grown[4], found.wiring.is_edge)
    assert names(found, best_edges(found.wiring, ranking, [1])[0]) == {("input", "head.1.0.k")}


def test_heads_that_share_keys_let_their_group_in():
    found = small("llama")
    ranking = torch.zeros(found.wiring.is_edge.shape)
    ranking[found.wiring.edge("head.2.3", "logits")] = 2
    ranking[found.wiring.edge("input", "kv.2.1.v")] = 3
    ranking[found.wiring.edge("input", "kv.2.0.v")] = 9
    assert names(found, greedy_edges(found.wiring, ranking, [2])[0]) == {("head.2.3", "logits"), ("input", "kv.2.1.v")}


def test_node_circuits_have_all_edges_of_their_nodes_and_of_the_input():
    found = small("gpt2")
    ranking = torch.zeros(len(found.wiring.sources))
    ranking[found.wiring.sources.index("mlp.1")] = 1
    none, one = node_circuits(found.wiring, ranking, [0, 1])
    assert {source for source, _ in names(found, none)} == {"input"}
    assert {source for source, _ in names(found, one)} == {"input", "mlp.1"}
    assert torch.equal(one, found.wiring.is_edge & one.any(1, keepdim=True))


def test_random_rankings_follow_their_seed():
    wiring = small("gpt2").wiring
    assert torch.equal(random_ranking(wiring, 3), random_ranking(wiring, 3))
    assert not torch.equal(random_ranking(wiring, 3), random_ranking(wiring, 4))


def test_circuits_larger_than_the_model_are_refused():
    wiring = small("gpt2").wiring
    for choose, ranking in ((best_edges, random_ranking(wiring, 0)), (greedy_edges, random_ranking(wiring, 0))):
        with pytest.raises(UsageError, match="circuit is larger than the model"):
            choose(wiring, ranking, [wiring.n_edges + 1])
    with pytest.raises(UsageError, match="circuit is larger than the model"):
        node_circuits(wiring, torch.zeros(len(wiring.sources)), [len(wiring.sources)])
