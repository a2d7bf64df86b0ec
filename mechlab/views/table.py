"""A table as plain data: what a verb has to show, before anyone decides how to draw it."""

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Table:
    """Rows of text under named columns; `note` stands below them."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]] = field(default_factory=tuple)
    note: str = ""
