"""A map of random heads with a planted channel, its columns, and its axes."""

from circuits.channels.random_heads import random_heads, with_channel

from mechlab.circuits.channels.channel_map import ChannelMap, of_circuits
from mechlab.circuits.channels.columns import ChannelColumns
from mechlab.verbs.steps.channels.grids import Axes, axes_of


def planted_map() -> tuple[ChannelMap, ChannelColumns, Axes]:
    """Return a map in which 0.1 writes what 2.2 reads as query."""
    found = of_circuits(with_channel(random_heads()[0], (0, 1), (2, 2), 2.0))
    return found, found.columns(1.0), axes_of(found)
