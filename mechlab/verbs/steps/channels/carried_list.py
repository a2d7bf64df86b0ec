"""What the first channels carry, in the terminal: one table a channel."""

from collections.abc import Iterator

from mechlab.views.channel_carried import Along, CarriedChannel, CarriedData, CauseRow, EndRow
from mechlab.views.numbers import fixed, interval, measured, number, share
from mechlab.views.table import Table

Row = tuple[str, str, str]


def carried_tables(data: CarriedData | None) -> tuple[Table, ...]:
    """Return one table for each channel, the largest z first."""
    return () if data is None else tuple(_table(data, channel) for channel in data.channels)


def _table(data: CarriedData, channel: CarriedChannel) -> Table:
    rows = [*map(_tokens, channel.tokens), *_causes(data, channel), *(_features(data, row) for row in channel.features)]
    read = f" Read: {data.text}, {data.n_classes} known causes." if data.text else ""
    return Table(f"{channel.name} carries", ("end", "found", "by chance"), rows, note=f"{channel.verdict}{read}")


def _tokens(row: EndRow) -> Row:
    return row.name, f"+ {_names(row.most)}\n- {_names(row.least)}", _chance(row)


def _features(data: CarriedData, row: EndRow) -> Row:
    listed = ", ".join(f"{one.name} ({fixed(one.part, 2)})" for one in row.most)
    beyond = f"{share(row.share_beyond)} of {number(row.n)} beyond {share(data.rate)}"
    return row.name, f"{listed}\n{beyond}", _chance(row)


def _causes(data: CarriedData, channel: CarriedChannel) -> Iterator[Row]:
    for cause in channel.causes:
        area = f"AUC {measured(cause.auc)} {interval(cause.auc)}\n{cause.said}"
        yield f"{cause.name}\n{number(cause.n_positives)} tokens", area, _nulls(data, cause)


def _nulls(data: CarriedData, cause: CauseRow) -> str:
    beside = f"same head {fixed(cause.drawn, 2)} ({cause.n_as_far} of {data.n_directions} as far)"
    return f"shuffled {fixed(cause.shuffled, 2)}\n{beside}"


def _chance(row: EndRow) -> str:
    return f"largest z {fixed(row.largest_z, 1)}\np {number(row.p_largest, 2)}, like heads {number(row.p_drawn, 2)}"


def _names(listed: tuple[Along, ...]) -> str:
    return ", ".join(one.name.strip() or repr(one.name) for one in listed)
