"""The strongest channels of a run in the terminal, read back from its table."""

from dataclasses import asdict
from typing import Any

from mechlab.circuits.channels.channel import Channel
from mechlab.circuits.channels.columns import ChannelColumns
from mechlab.models.sites import Head
from mechlab.store.run import CHANNELS_NAME, REPORT_NAME, Run
from mechlab.store.table import read_table
from mechlab.verbs.channel_options import ChannelOptions
from mechlab.verbs.outcome import Outcome
from mechlab.verbs.steps.channels.carried import stored_carried
from mechlab.verbs.steps.channels.carried_list import carried_tables
from mechlab.verbs.steps.summary import run_summary
from mechlab.views.numbers import fixed, number, share
from mechlab.views.table import Table


def channel_outcome(config: ChannelOptions, run: Run) -> Outcome:
    """Return what the command prints of a run: its strongest channels of the heads asked for, and where it is."""
    columns = stored_channels(run)
    found, tables = _listed(run, columns, asked_rows(config, columns), config.top, _heads(config))
    page = run.folder / REPORT_NAME
    data, _ = run_summary(run)
    lines = (f"run:  {run.folder}", f"open: {page}")
    return Outcome({**data, "report": str(page), **found}, tables, lines)


def first_channels(run: Run, n: int) -> tuple[dict[str, Any], tuple[Table, ...]]:
    """Return a run's n strongest channels and what it found them to carry: for programs, and as tables.

    Raises:
        ArtifactError: they were changed.
    """
    columns = stored_channels(run)
    return _listed(run, columns, columns.rows(), n)


def asked_rows(config: ChannelOptions, columns: ChannelColumns) -> list[int]:
    """Return the rows of the heads asked for, the largest z first."""
    sender, receiver = (None if name is None else _head(name) for name in (config.from_head, config.to_head))
    return columns.rows(sender=sender, receiver=receiver)


def stored_channels(run: Run) -> ChannelColumns:
    """Return a run's channels.

    Raises:
        ArtifactError: the run has none, or they were changed.
    """
    return ChannelColumns.restored(read_table(run.file(CHANNELS_NAME)))


def block_name(block: tuple[int, int]) -> str:
    """Return the first and last component of a block, nothing for a component that stands alone."""
    return f"{block[0]}–{block[1]}" if block[0] < block[1] else ""


def _listed(
    run: Run, columns: ChannelColumns, rows: list[int], n: int, heads: str = ""
) -> tuple[dict[str, Any], tuple[Table, ...]]:
    shown, carried = [columns.channel(row) for row in rows[:n]], stored_carried(run)
    data: dict[str, Any] = {"channels": [_plain(one) for one in shown]}
    if carried is not None:
        data["carried"] = carried.model_dump(mode="json")
    return data, (_table(shown, len(rows), heads, run), *carried_tables(carried))


def _table(shown: list[Channel], n_listed: int, heads: str, run: Run) -> Table:
    rows = [
        (
            one.name,
            fixed(one.score, 3),
            fixed(one.z, 1),
            number(one.q, 2),
            share(one.share),
            fixed(one.cosine, 2),
            block_name(one.block) or "–",
        )
        for one in shown
    ]
    said = _counts(run)
    listed = f"{len(shown)} of {n_listed:,} listed{heads}" if shown else f"no channel{heads}: it is in no earlier layer"
    columns = ("channel", "score", "z", "q", "share", "cosine", "block")
    return Table(f"channels {run.id}", columns, rows, note=f"{said} {listed[:1].upper()}{listed[1:]}.")


def _counts(run: Run) -> str:
    metrics = run.manifest.metrics
    found = ", ".join(f"{metrics[f'n_discoveries_{mode}']:,} {mode}" for mode in run.manifest.config["mode"])
    return f"{metrics['n_channels']:,} scored; at a false-discovery rate of 5 %: {found}."


def _heads(config: ChannelOptions) -> str:
    sides = ((" from", config.from_head), (" to", config.to_head))
    return "".join(f"{side} {head}" for side, head in sides if head is not None)


def _plain(channel: Channel) -> dict[str, Any]:
    return {"name": channel.name, **asdict(channel)}


def _head(name: str) -> Head:
    layer, head = map(int, name.split("."))
    return layer, head
