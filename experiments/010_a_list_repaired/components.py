"""Components to edit: those that the channels propose, and what stands against them.

1. Movers are the heads without which, at END, fewer lists come out right: their output there is put to its mean.
2. Channels that are no chance finds (by their false-discovery rate) lead to the movers, to the heads that write what
   these read, and so on. Each proposes what its sender writes and what its receiver reads.
3. The table of positions is a sender, too, which no map between heads shows: it proposes a QK component if both of
   its sides read positions several times more than a drawn direction would.
4. Against them stand as many components that no channel proposes, and as many drawn directions of the same heads.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Literal

import torch
from jaxtyping import Float
from lists import Lists
from torch import Tensor

from mechlab.circuits.channels.channel import Channel
from mechlab.circuits.channels.channel_map import ChannelMap
from mechlab.circuits.channels.drawn import drawn_within
from mechlab.circuits.channels.head_circuits import HeadCircuits
from mechlab.circuits.channels.thin_svd import ThinSVD
from mechlab.core.randomness import torch_generator
from mechlab.metrics.prompt_scores import prompt_scores
from mechlab.models.language_model import LanguageModel
from mechlab.models.sites import Head

Circuit = Literal["ov", "qk"]
Place = tuple[Circuit, int, int, int]
CIRCUITS: tuple[Circuit, ...] = ("ov", "qk")


@dataclass(frozen=True, eq=False)
class Component:
    """A direction of a head's circuit: the number of a component, or None where it is drawn.

    Attributes:
        size: of the circuit along the direction; a component's singular value.
    """

    circuit: Circuit
    layer: int
    head: int
    number: int | None
    direction: Float[Tensor, "d_model"]
    size: float

    def __str__(self) -> str:
        return f"{self.circuit} {self.layer}.{self.head}.{'drawn' if self.number is None else self.number}"


def drops(model: LanguageModel, lists: Lists) -> dict[Head, float]:
    """Return by how much accuracy falls when a head writes its mean at END, over lists of the same words but items."""

    def mean_at_end(out: Tensor) -> Tensor:
        out[:, -1] = out[:, -1].mean(0)
        return out

    before, most = prompt_scores(model, lists).estimates()["accuracy"].value, max(map(len, lists))
    found = {}
    for layer in range(model.spec.n_layers):
        for head in range(model.spec.n_heads):
            with model.edit({f"head.{layer}.{head}": mean_at_end}):
                after = prompt_scores(model, lists, rows_at_once=most).estimates()["accuracy"].value
            found[layer, head] = before - after
    return found


def leading_to(channels: Sequence[Channel], movers: Sequence[Head]) -> list[Channel]:
    """Return the channels on a way to a mover."""
    heads: set[Head] = set()
    new = set(movers)
    while new:
        heads |= new
        new = {one.sender for one in channels if one.receiver in heads} - heads
    return [one for one in channels if one.receiver in heads]


def proposed(found: ChannelMap, movers: Sequence[Head], settings: dict[str, Any]) -> list[Component]:
    """Return what the senders of channels to the movers write, and what their receivers read."""
    places: set[Place] = set()
    for one in leading_to(found.channels(most_q=settings["most_q"]), movers):
        places.add(("ov", *one.sender, one.component))
        places.add(("ov" if one.mode == "v" else "qk", *one.receiver, one.read_component))
    return [component_at(found.circuits, place) for place in sorted(places)]


def reading_positions(model: LanguageModel, circuits: HeadCircuits, n_positions: int, least: float) -> list[Component]:
    """Return the QK components that compare positions; none where positions are rotations.

    Args:
        model: processed.
        circuits: its circuits.
        n_positions: how many positions count.
        least: how many times as much as a drawn direction both sides read at least.
    """
    table = model.weights().W_pos
    if table is None:
        return []
    spread = table[:n_positions].double() - table[:n_positions].double().mean(0)
    chance = spread.square().sum() / circuits.d_stream
    sides = [(spread @ side).square().sum(-2) / chance for side in (circuits.qk.read, circuits.qk.write)]
    found = torch.minimum(*sides) >= least
    return [component_at(circuits, ("qk", *place)) for place in found.nonzero().tolist()]


def together(*pools: Sequence[Component]) -> list[Component]:
    """Return the components of several pools, each once."""
    return list({str(one): one for pool in pools for one in pool}.values())


def not_proposed(circuits: HeadCircuits, given: Sequence[Component], seed: int) -> list[Component]:
    """Return as many components of each circuit that are not among the given ones, drawn from all heads."""
    draw, taken = torch_generator(seed, "not proposed"), {str(one) for one in given}
    picked: list[Component] = []
    for circuit in CIRCUITS:
        left = [one for one in every(circuits) if one.circuit == circuit and str(one) not in taken]
        wanted = sum(one.circuit == circuit for one in given)
        picked += [left[row] for row in torch.randperm(len(left), generator=draw)[:wanted].tolist()]
    return picked


def every(circuits: HeadCircuits) -> list[Component]:
    """Return all components of a model."""
    n_layers, n_heads, n_each = circuits.ov.values.shape
    places = product(CIRCUITS, range(n_layers), range(n_heads), range(n_each))
    return [component_at(circuits, place) for place in places]


def drawn(circuits: HeadCircuits, given: Sequence[Component], seed: int) -> list[Component]:
    """Return for each component a drawn direction of what its head writes, or what its queries look at."""
    draw = torch_generator(seed, "drawn directions")
    return [drawn_like(circuits, one, draw) for one in given]


def drawn_like(circuits: HeadCircuits, one: Component, draw: torch.Generator) -> Component:
    """Return a drawn direction of the space in which a component lies."""
    basis, values = _space(circuits, one.circuit, one.layer, one.head)
    (direction,) = drawn_within(basis, 1, draw)
    size = float((direction @ basis * values).norm())
    return Component(one.circuit, one.layer, one.head, None, direction, size)


def component_at(circuits: HeadCircuits, place: Place) -> Component:
    """Return the component of a circuit, layer, head and number."""
    circuit, layer, head, number = place
    basis, values = _space(circuits, circuit, layer, head)
    return Component(circuit, layer, head, number, basis[:, number], float(values[number]))


def _space(circuits: HeadCircuits, circuit: str, layer: int, head: int) -> tuple[Tensor, Tensor]:
    found: ThinSVD = circuits.ov if circuit == "ov" else circuits.qk
    return (found.write if circuit == "ov" else found.read)[layer, head], found.values[layer, head]
