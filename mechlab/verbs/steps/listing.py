"""What a run holds beside its numbers, as lists: found by the files that it has."""

from collections.abc import Callable
from typing import Any

from mechlab.store.run import CHANNELS_NAME, GRAPH_NODES_NAME, HEADS_NAME, STEERED_NAME, Run
from mechlab.views.table import Table

Listed = tuple[dict[str, Any], tuple[Table, ...]]
N_CHANNELS = 10
N_EFFECTS = 10
N_HEADS, N_READERS = 10, 4


def listed(run: Run) -> Listed:
    """Return all that a run lists, as plain data and as tables."""
    data, tables = dict[str, Any](), list[Table]()
    for name, found_in in LISTS.items():
        if name in run.manifest.files:
            own, its_tables = found_in(run)
            data |= own
            tables += its_tables
    return data, tuple(tables)


def _channels(run: Run) -> Listed:
    from mechlab.verbs.steps.channels.list import first_channels

    return first_channels(run, N_CHANNELS)


def _effects(run: Run) -> Listed:
    from mechlab.verbs.steps.tracing.list import first_effects

    return first_effects(run, N_EFFECTS)


def _heads(run: Run) -> Listed:
    from mechlab.verbs.steps.observables.list import first_heads

    return first_heads(run, N_HEADS, N_READERS)


def _texts(run: Run) -> Listed:
    from mechlab.verbs.steps.steering.list import steered_texts

    return steered_texts(run)


LISTS: dict[str, Callable[[Run], Listed]] = {
    CHANNELS_NAME: _channels,
    GRAPH_NODES_NAME: _effects,
    HEADS_NAME: _heads,
    STEERED_NAME: _texts,
}
"""By the file that a run has."""
