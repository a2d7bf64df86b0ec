"""A page of channels with two senders, two receivers and two modes, one of them all noise."""

from mechlab.views.channel_data import ChannelPageData, ChannelRow, ModeMap, NoiseRow, PairRows
from mechlab.views.report_data import Command, Fact

ROWS = PairRows(
    pair=(0, 0, 1, 3),
    component=(3, 1, 0, 2),
    score=(0.5, 0.2, 0.1, 0.1),
    z=(9.1, 2.2, 0.4, 1.1),
    q=(1e-6, 0.3, 0.9, 0.8),
    share=(0.1, 0.4, 0.5, 0.2),
    read=(0, 1, 0, 0),
    cosine=(0.7, -0.2, 0.1, 0.1),
    block=("", "1–2", "", ""),
)
NOISE = NoiseRow(edges=(-1.0, 0.0, 1.0, 2.0), counts=(5, 8, 2), expected=(5.5, 7.0, 2.0), n_above=1)


def sample_mode(mode: str, name: str, floor: float | None) -> ModeMap:
    """Return one mode's map; with a floor its first pair is a discovery."""
    return ModeMap(
        mode=mode,
        name=name,
        lead="What <heads> can read.",
        best=((9.1, 0.4), (None, 1.1)),
        discovered=((floor is not None, False), (False, False)),
        floor=floor,
        whole=((0.2, 0.1), (None, 0.1)),
        rows=ROWS,
        noise=NOISE,
    )


def sample_channels() -> ChannelPageData:
    """Return the page's data."""
    first = ChannelRow(
        name="0.0.3 -> 1.0 q", mode="q", place=0, score=0.5, z=9.1, q=1e-6, share=0.1, cosine=0.7, read=0
    )
    return ChannelPageData(
        title="Channels of <tales>",
        run_id="0123456789abcdef",
        summary="One stands out.",
        rate=0.05,
        least_z=2.0,
        senders=("0.0", "1.1"),
        receivers=("1.0", "2.1"),
        modes=(sample_mode("q", "queries", 9.1), sample_mode("k", "keys", None)),
        strongest=(first, first.model_copy(update={"name": "1.1.2 -> 2.1 k", "mode": "k", "place": 3, "z": 1.1})),
        notes=("A note.",),
        facts=(Fact(label="model", value="tales"),),
        commands=(Command(purpose="check", text="mechlab runs verify RUN"),),
        citation="mechlab run 0123456789abcdef, channels",
    )
