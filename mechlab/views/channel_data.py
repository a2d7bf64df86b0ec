"""What the page of channels shows: plain frozen values, ready for JSON; verbs fill them, views only draw them."""

from pydantic import Field, NonNegativeInt, model_validator

from mechlab.core.config import Config
from mechlab.views.channel_carried import CarriedData
from mechlab.views.report_data import Command, Fact

Grid = tuple[tuple[float | None, ...], ...]


class PairRows(Config):
    """Components of pairs of heads in columns, the pairs in order and the best component of each first.

    Attributes:
        pair: the sender's place times the number of receivers, plus the receiver's place.
        read: the receiver's component that reads this one best.
        block: `2–4` where the component is one of several of nearly the same size, else empty.
    """

    pair: tuple[NonNegativeInt, ...]
    component: tuple[NonNegativeInt, ...]
    score: tuple[float, ...]
    z: tuple[float, ...]
    q: tuple[float, ...]
    share: tuple[float, ...]
    read: tuple[NonNegativeInt, ...]
    cosine: tuple[float, ...]
    block: tuple[str, ...]

    @model_validator(mode="after")
    def _of_one_length(self) -> "PairRows":
        lengths = {name: len(getattr(self, name)) for name in type(self).model_fields}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"columns have different lengths: {lengths}")
        return self


class NoiseRow(Config):
    """Counts of z between edges, what the null expects there, and how many lie above the last edge."""

    edges: tuple[float, ...]
    counts: tuple[NonNegativeInt, ...]
    expected: tuple[float, ...]
    n_above: NonNegativeInt = 0

    @model_validator(mode="after")
    def _edges_enclose(self) -> "NoiseRow":
        if not len(self.edges) - 1 == len(self.counts) == len(self.expected):
            raise ValueError(f"{len(self.edges)} edges, {len(self.counts)} counts, {len(self.expected)} expectations")
        return self


class ModeMap(Config):
    """All pairs of heads in one mode; None where they cannot talk.

    Attributes:
        mode: `q`, `k` or `v`.
        name: what receivers read, as `queries`.
        lead: one sentence about it, with numbers.
        best: z of each pair's best component, senders down and receivers across.
        discovered: whether that passes the false-discovery rate.
        floor: the least z of a best component that does; None where none does.
        whole: the whole-matrix score of each pair.
    """

    mode: str
    name: str
    lead: str
    best: Grid = Field(exclude=True)  # drawn; the page's data have it as the first row of each pair
    discovered: tuple[tuple[bool, ...], ...] = Field(exclude=True)
    floor: float | None
    whole: Grid
    rows: PairRows
    noise: NoiseRow


class ChannelRow(Config):
    """One of the strongest channels; `place` is its pair's, None if the page has no map of it."""

    name: str
    mode: str
    place: NonNegativeInt | None
    score: float
    z: float
    q: float
    share: float
    cosine: float
    read: NonNegativeInt
    block: str = ""


class ChannelPageData(Config):
    """Everything the page shows; heads are `LAYER.HEAD`. `n_shown` of the strongest are those of all modes together."""

    title: str
    run_id: str
    summary: str
    rate: float
    least_z: float
    senders: tuple[str, ...]
    receivers: tuple[str, ...]
    modes: tuple[ModeMap, ...]
    strongest: tuple[ChannelRow, ...] = ()
    n_shown: NonNegativeInt = 50
    carried: CarriedData | None = None
    notes: tuple[str, ...] = ()
    facts: tuple[Fact, ...] = ()
    commands: tuple[Command, ...] = ()
    citation: str = ""


def layer_of(head: str) -> int:
    """Return the layer of a head's name."""
    return int(head.partition(".")[0])
