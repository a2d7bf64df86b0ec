"""The page of a run of channels: for each mode a map of the pairs of heads, and the strongest channels."""

from mechlab.circuits.channels.channel import Channel
from mechlab.circuits.channels.channel_map import ChannelMap
from mechlab.circuits.channels.columns import ChannelColumns
from mechlab.circuits.channels.noise import noise
from mechlab.models.language_model import LanguageModel
from mechlab.models.sites import Mode
from mechlab.store.manifest import Identity
from mechlab.verbs.steps.channels.grids import Axes, Listed, axes_of, grids_of, listed_rows, pair_rows, rounded
from mechlab.verbs.steps.channels.list import block_name
from mechlab.views.channel_carried import CarriedData
from mechlab.views.channel_data import ChannelPageData, ChannelRow, ModeMap, NoiseRow
from mechlab.views.numbers import fixed, share
from mechlab.views.report_data import Command, Fact

RATE = 0.05
N_STRONGEST = 50
NAMES: dict[Mode, tuple[str, str]] = {
    "q": ("queries", "What a later head can go by when it decides where a token looks"),
    "k": ("keys", "What a later head can know a token by when it is looked at"),
    "v": ("values", "What a later head can pass on from a token it looks at"),
}
NULLS = {
    "sphere": "a component writes in any direction of the residual stream, all equally likely",
    "upstream": "mean and spread of all components the receiver could hear",
    "covariance": "a component writes in directions spread as those of all components of this model are",
}


def page_data(
    identity: Identity,
    model: LanguageModel,
    found: ChannelMap,
    columns: ChannelColumns,
    least_z: float,
    carried: CarriedData | None = None,
) -> ChannelPageData:
    """Return what a run's page shows; `columns` hold its channels from `least_z` up and the best ones of every pair."""
    axes = axes_of(found)
    listed = listed_rows(columns, axes, least_z)
    first = columns.channel(0)
    return ChannelPageData(
        title=f"Channels between the heads of {model.name}",
        run_id=identity.run_id(),
        summary=_summary(model, found, first),
        rate=RATE,
        least_z=listed.least_z,
        senders=axes.names(axes.senders),
        receivers=axes.names(axes.receivers),
        modes=tuple(_mode_map(found, columns, mode, axes, listed) for mode in found.scores),
        strongest=_strongest(found, columns, axes),
        n_shown=N_STRONGEST,
        carried=carried,
        notes=_notes(found, axes),
        facts=_facts(identity, model, found),
        commands=_commands(identity, first),
        citation=f"mechlab run {identity.run_id()}, channels",
    )


def _mode_map(found: ChannelMap, columns: ChannelColumns, mode: Mode, axes: Axes, listed: Listed) -> ModeMap:
    grids = grids_of(found, mode, axes, RATE)
    floors = grids.best[grids.discovered]
    seen = noise(found, mode)
    z, n_found = found.surprises[mode].z, int((found.surprises[mode].q <= RATE).sum())
    n_pairs, n_talking = int(grids.discovered.sum()), int((~grids.best.isnan()).sum())
    name, about = NAMES[mode]
    counted = f"{n_found:,} of {int((~z.isnan()).sum()):,} components are read beyond chance"
    return ModeMap(
        mode=mode,
        name=name,
        lead=f"{about}. At a false-discovery rate of {share(RATE)}, {counted}, in {n_pairs:,} of {n_talking:,} pairs.",
        best=rounded(grids.best, 1),
        discovered=tuple(tuple(row) for row in grids.discovered.tolist()),
        floor=float(floors.min()) if len(floors) else None,
        whole=rounded(grids.whole, 3),
        rows=pair_rows(columns, mode, listed),
        noise=NoiseRow(
            edges=tuple(seen.edges.tolist()),
            counts=tuple(seen.counts.tolist()),
            expected=tuple(float(f"{value:.4g}") for value in seen.expected.tolist()),
            n_above=seen.n_above,
        ),
    )


def _strongest(found: ChannelMap, columns: ChannelColumns, axes: Axes) -> tuple[ChannelRow, ...]:
    """Return the strongest of each mode, the largest z first; the first of them are the strongest of all."""
    rows = sorted(row for mode in found.scores for row in columns.rows(modes=(mode,))[:N_STRONGEST])
    return tuple(_row(columns.channel(row), axes) for row in rows)


def _row(channel: Channel, axes: Axes) -> ChannelRow:
    return ChannelRow(
        name=channel.name,
        mode=channel.mode,
        place=axes.place(channel.sender, channel.receiver),
        score=channel.score,
        z=channel.z,
        q=channel.q,
        share=channel.share,
        cosine=channel.cosine,
        read=channel.read_component,
        block=block_name(channel.block),
    )


def _summary(model: LanguageModel, found: ChannelMap, first: Channel) -> str:
    n_found = sum(int((one.q <= RATE).sum()) for one in found.surprises.values())
    n_all = sum(int((~one.z.isnan()).sum()) for one in found.surprises.values())
    spec = model.spec
    standing = {0: "none stands out", 1: "one stands out"}.get(n_found, f"{n_found:,} stand out")
    return (
        f"Of the {n_all:,} ways in which a component of one of {spec.n_layers} × {spec.n_heads} heads can be read by a "
        f"later head, {standing} from chance at a false-discovery rate of {share(RATE)}. The strongest is "
        f"{first.name}: score {fixed(first.score, 3)}, {fixed(first.z, 1)} standard deviations above the null."
    )


def _notes(found: ChannelMap, axes: Axes) -> tuple[str, ...]:
    cut = (
        f"The maps show the heads with the largest z; {axes.n_cut} places on their axes are left out."
        if axes.n_cut
        else ""
    )
    kept = (
        "A component is one term of what a head moves: the singular value decomposition of its value and output "
        "weights. It has one direction it writes along; number 0 is the largest.",
        "The score is the root of the share of the receiver's weights, by squared size, that lies along that "
        "direction: 1 if the receiver looks for nothing else, 0 if it cannot see it. How strongly the component writes "
        "does not enter; that is its share of the sender's squared size.",
        f"z counts standard deviations of the squared score above the null. Here the null is that {NULLS[found.null]}. "
        "It says what chance alone would give, not that anything above it matters.",
        f"q is the share of false discoveries if this channel and all at least as unlikely are reported, of all modes "
        f"together. Cells in colour have a best component with q of at most {share(RATE)}; grey ones are at the level "
        "of noise. In a trained model scores are not independent, and many channels can be one direction that several "
        "heads share.",
        "Weights alone show what could be read. Whether it is used on any text, only an intervention tells: scale the "
        "component and see what changes.",
        "Components of nearly the same size are a block: any rotation of them is as good a decomposition, so only the "
        "space they span means something, not its members.",
        "Reader is the receiver's component that reads this one best, weighted by its size; the cosine is between the "
        "two singular vectors. Its sign is that of one pair of vectors: turning both of a component changes nothing in "
        "the model and turns the sign.",
        "The whole-matrix score compares both heads' matrices at once. One strong channel among dozens of components "
        "hardly moves it, which is why it says little.",
        cut,
    )
    return tuple(note for note in kept if note)


def _facts(identity: Identity, model: LanguageModel, found: ChannelMap) -> tuple[Fact, ...]:
    spec, config = model.spec, identity.config
    record = identity.model
    rotary = spec.positional == "rotary"
    known = {
        "model": f"{model.name}, {spec.n_layers} layers of {spec.n_heads} heads, width {spec.d_model}",
        "fingerprint": model.fingerprint[:16],
        "processing": "; ".join(record.processing if record else ()),
        "components": f"{found.circuits.ov.values.shape[-1]} a head",
        "read as": ", ".join(NAMES[mode][0] for mode in found.scores),
        "null": f"{found.null}: {NULLS[found.null]}",
        "offset": f"{config['offset']} tokens" if rotary else "none: positions are no rotations",
        "biases": "counted where keys are read" if config["biases"] else "left out",
    }
    return tuple(Fact(label=label, value=value) for label, value in known.items())


def _commands(identity: Identity, first: Channel) -> tuple[Command, ...]:
    name = identity.model.name if identity.model else ""
    receiver, sender = (f"{layer}.{head}" for layer, head in (first.receiver, first.sender))
    null = identity.config["null"]
    other = "covariance" if null != "covariance" else "sphere"
    same = "" if null == "sphere" else f" --null {null}"
    return (
        Command(purpose="what one head can read", text=f"mechlab channels --model {name}{same} --to {receiver}"),
        Command(purpose="who can read one head", text=f"mechlab channels --model {name}{same} --from {sender}"),
        Command(
            purpose="what its strongest channels carry (with --dictionary RUN: which features)",
            text=f"mechlab channels --model {name}{same} --from {sender} --to {receiver} --carries",
        ),
        Command(purpose="against another null", text=f"mechlab channels --model {name} --null {other}"),
        Command(purpose="check every byte of this run (RUN: the folder of this page)", text="mechlab runs verify RUN"),
    )
