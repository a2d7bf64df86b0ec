"""Circuits: which edges are in, chosen by their scores: the best of all, or greedily from the logits down.

Source: Hanna, Pezzelle & Belinkov 2024, whose `top-n` and greedy selection these are.
"""

import heapq
from collections.abc import Callable, Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mechlab.core.errors import UsageError
from mechlab.core.randomness import torch_generator
from mechlab.interventions.wiring import INPUT, Wiring

Ranking = Float[Tensor, "n_sources n_readers"]
Circuit = Bool[Tensor, "n_sources n_readers"]
Selection = Callable[[Wiring, Ranking, Sequence[int]], Bool[Tensor, "n_circuits n_sources n_readers"]]


def best_edges(
    wiring: Wiring, ranking: Ranking, sizes: Sequence[int]
) -> Bool[Tensor, "n_circuits n_sources n_readers"]:
    """Return a circuit of each size: the edges that rank highest, wherever they are.

    Args:
        wiring: the edges there are.
        ranking: the higher the sooner in; take sizes of scores to count what opposes the answer too.
        sizes: how many edges.

    Raises:
        UsageError: there are fewer edges.
    """
    order = ranking.double().masked_fill(~wiring.is_edge, -torch.inf).flatten().argsort(descending=True, stable=True)
    return _first(wiring, order.tolist(), sizes)


def greedy_edges(
    wiring: Wiring, ranking: Ranking, sizes: Sequence[int]
) -> Bool[Tensor, "n_circuits n_sources n_readers"]:
    """Return a circuit of each size, grown from the logits: each time the best edge into what is in already.

    Args:
        wiring: the edges there are.
        ranking: the higher the sooner in.
        sizes: how many edges.

    Raises:
        UsageError: there are fewer edges.
    """
    n_readers, order, waiting = len(wiring.readers), list[int](), list[tuple[float, int]]()
    values, is_in = ranking.tolist(), set[int]()

    def let_in(reader: int) -> None:
        is_in.add(reader)
        for source in range(wiring.n_heard[reader]):
            heapq.heappush(waiting, (-values[source][reader], source * n_readers + reader))

    readers_of: dict[int, list[int]] = {}
    for place, reader in enumerate(wiring.readers):
        for source in wiring.written_by(reader):
            readers_of.setdefault(source, []).append(place)
    let_in(n_readers - 1)
    while waiting:
        edge = heapq.heappop(waiting)[1]
        order.append(edge)
        for reader in readers_of.get(edge // n_readers, ()):
            if reader not in is_in:
                let_in(reader)
    return _first(wiring, order, sizes)


def random_ranking(wiring: Wiring, seed: int) -> Ranking:
    """Return a ranking drawn at random: the control of every other one."""
    return torch.rand(wiring.is_edge.shape, generator=torch_generator(seed, "random edges"), dtype=torch.float64)


def node_circuits(
    wiring: Wiring, ranking: Float[Tensor, "n_sources"], sizes: Sequence[int]
) -> Bool[Tensor, "n_circuits n_sources n_readers"]:
    """Return a circuit for each number of nodes: all edges of the heads and MLPs that rank highest; the input is in.

    Raises:
        UsageError: there are fewer nodes.
    """
    order = ranking.double()[1:].argsort(descending=True, stable=True) + 1
    if max(sizes, default=0) > len(order):
        raise UsageError("circuit is larger than the model", value=max(sizes), remedy=f"It has {len(order)} nodes.")
    circuits = torch.zeros(len(sizes), *wiring.is_edge.shape, dtype=torch.bool)
    for number, size in enumerate(sizes):
        circuits[number, [wiring.sources.index(INPUT), *order[:size].tolist()]] = True
    return circuits & wiring.is_edge


def _first(wiring: Wiring, order: list[int], sizes: Sequence[int]) -> Bool[Tensor, "n_circuits n_sources n_readers"]:
    if max(sizes, default=0) > wiring.n_edges:
        raise UsageError("circuit is larger than the model", value=max(sizes), remedy=f"It has {wiring.n_edges} edges.")
    circuits = torch.zeros(len(sizes), wiring.is_edge.numel(), dtype=torch.bool)
    for number, size in enumerate(sizes):
        circuits[number, order[:size]] = True
    return circuits.unflatten(1, wiring.is_edge.shape)
