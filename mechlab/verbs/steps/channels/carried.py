"""What the first channels of a run carry: kept in the run as JSON, from which terminal and page show it.

1. Tokens: at each end, from the weights.
2. Causes: what each sender writes along its component on labelled text, beside shuffled labels and other directions of
   the same head; all components in one pass.
3. Features: of a dictionary, along each end.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from pydantic import ValidationError
from torch import Tensor

from mechlab.circuits.channels.alignment import Aligned, Alignment
from mechlab.circuits.channels.channel import Channel
from mechlab.circuits.channels.drawn import drawn_in_head, drawn_like
from mechlab.circuits.channels.ends import N_DRAWN, channel_ends, token_ends
from mechlab.circuits.channels.feature_ends import feature_ends
from mechlab.circuits.channels.head_circuits import HeadCircuits
from mechlab.circuits.channels.projections import projections
from mechlab.core.errors import ArtifactError
from mechlab.core.progress import Progress
from mechlab.core.randomness import torch_generator
from mechlab.corpora.rows import TokenRows
from mechlab.metrics.projection_causes import CarriedCause, CarriedCauses, ProjectionConfig, carried_causes
from mechlab.models.language_model import LanguageModel
from mechlab.store.run import Run
from mechlab.verbs.steps.channels.sources import Features
from mechlab.views.channel_carried import Along, CarriedChannel, CarriedData, CauseRow, EndRow

CARRIED_NAME = "carried.json"
N_DIRECTIONS, N_TOKENS, N_FEATURES, RATE = 20, 6, 5, 0.01
ONWARD = {"q": "keys the receiver then looks for", "k": "queries that look for it", "v": "receiver then raises"}


@dataclass(frozen=True, eq=False)
class Carriers:
    """The heads whose channels are looked at, the seed of all draws, and what there is to look at them with."""

    model: LanguageModel
    circuits: HeadCircuits
    seed: int
    rows: TokenRows | None
    features: Features | None
    corpus: str


def carried(found: Carriers, channels: Sequence[Channel], progress: Progress) -> CarriedData:
    """Return what channels carry."""
    causes = {} if found.rows is None or not channels else _causes(found, found.rows, channels, progress)
    first = next(iter(causes.values()), None)
    known = [causes.get((channel.sender, channel.component)) for channel in channels]
    return CarriedData(
        channels=tuple(_channel(found, *pair) for pair in zip(channels, known, strict=True)),
        text="" if found.rows is None else f"{int((~found.rows.special).sum()):,} tokens of {found.corpus}",
        dictionary="" if found.features is None else f"{found.features.run.id} at {found.features.route}",
        n_directions=0 if first is None else N_DIRECTIONS,
        n_classes=0 if first is None else first.n_classes,
        rate=RATE,
    )


def stored_carried(run: Run) -> CarriedData | None:
    """Return what a run found its first channels to carry; None if nobody asked.

    Raises:
        ArtifactError: the file was changed.
    """
    if CARRIED_NAME not in run.manifest.files:
        return None
    path = run.file(CARRIED_NAME)
    try:
        return CarriedData.model_validate_json(path.read_text(encoding="utf-8"))
    except ValidationError as error:
        remedy = "Make the run again."
        raise ArtifactError(f"{error.error_count()} values do not fit", value=str(path), remedy=remedy) from None


def _channel(found: Carriers, channel: Channel, causes: CarriedCauses | None) -> CarriedChannel:
    sender, receiver = (f"{layer}.{head}" for layer, head in (channel.sender, channel.receiver))
    return CarriedChannel(
        name=channel.name,
        sender=sender,
        receiver=receiver,
        mode=channel.mode,
        z=channel.z,
        cosine=abs(channel.cosine),
        tokens=tuple(_token_rows(found, channel)),
        causes=() if causes is None else tuple(map(_cause, causes.causes)),
        features=() if found.features is None else tuple(_feature_rows(found, found.features, channel)),
    )


def _token_rows(found: Carriers, channel: Channel) -> Iterator[EndRow]:
    ends = token_ends(found.circuits, found.model.weights(), channel, seed=found.seed)
    rows = {"sender reads": ends.read, "sender raises": ends.write, ONWARD[channel.mode]: ends.onward}
    for name, alignment in rows.items():
        if alignment is not None:
            most, least = alignment.most(N_TOKENS), alignment.least(N_TOKENS)
            yield _end(name, alignment, *(_named(found.model, one) for one in (most, least)))


def _feature_rows(found: Carriers, features: Features, channel: Channel) -> Iterator[EndRow]:
    ends, circuits = channel_ends(found.circuits, channel), found.circuits
    reads, writes = circuits.ov.read, circuits.ov.write
    heard = circuits.readers(channel.mode).directions
    wanted: list[tuple[str, str, Tensor, Tensor]] = [
        ("features the sender reads", "writers", ends.read, reads),
        ("features it writes like", "writers", ends.write, writes),
        ("features that read it", "readers", ends.write, writes),
        ("features the receiver hears", "writers", ends.heard, heard),
    ]
    for name, side, direction, alike in wanted:
        if features.writes if side == "writers" else features.reads:
            alignment = _along(found, features, side, direction, alike)
            listed = (Along(name=str(one.number), part=one.part, z=one.z) for one in alignment.largest(N_FEATURES))
            yield _end(name, alignment, tuple(listed))


def _along(
    found: Carriers, features: Features, side: str, direction: Float[Tensor, "d_model"], alike: Tensor
) -> Alignment:
    """Return the features of one side along a direction, beside directions like those of all heads."""
    drawn = drawn_like(alike, N_DRAWN, torch_generator(found.seed, "directions beside features"))
    asked = {"writes": side == "writers", "reads": side == "readers"}
    ends = feature_ends(features.dictionary, direction, found.circuits.d_stream, **asked, drawn=drawn)
    alignment = ends.writers if side == "writers" else ends.readers
    assert alignment is not None
    return alignment


def _causes(
    found: Carriers, rows: TokenRows, channels: Sequence[Channel], progress: Progress
) -> dict[tuple[tuple[int, int], int], CarriedCauses]:
    """Return what each sender's component tells apart; components of one head share its drawn directions."""
    senders = dict.fromkeys((channel.sender, channel.component) for channel in channels)
    heads = list(dict.fromkeys(head for head, _ in senders))
    own = [found.circuits.ov.write[head][:, component][None] for head, component in senders]
    drawn = [
        drawn_in_head(found.circuits, head, N_DIRECTIONS, torch_generator(found.seed, f"directions of {head}"))
        for head in heads
    ]
    asked = [head for head, _ in senders] + [head for head in heads for _ in range(N_DIRECTIONS)]
    amounts = projections(found.model, rows, asked, torch.cat([*own, *drawn]), progress=progress)
    beside = dict(zip(heads, amounts[len(senders) :].split(N_DIRECTIONS), strict=True))
    config = ProjectionConfig(seed=found.seed, n_shuffles=N_DIRECTIONS)
    return {
        sender: carried_causes(amount, beside[sender[0]], rows, config)
        for sender, amount in zip(senders, amounts, strict=False)
    }


def _cause(cause: CarriedCause) -> CauseRow:
    told = cause.told
    return CauseRow(
        name=cause.name,
        n_positives=cause.n_positives,
        reading=cause.best,
        auc=told.auc,
        shuffled=told.shuffled,
        drawn=told.drawn,
        n_as_far=told.n_as_far,
    )


def _end(name: str, alignment: Alignment, most: tuple[Along, ...], least: tuple[Along, ...] = ()) -> EndRow:
    assert alignment.p_drawn is not None
    return EndRow(
        name=name,
        most=most,
        least=least,
        largest_z=float(alignment.z.abs().max()),
        p_largest=alignment.p_largest,
        p_drawn=alignment.p_drawn,
        share_beyond=alignment.share_beyond(RATE),
        n=len(alignment.z),
    )


def _named(model: LanguageModel, aligned: Sequence[Aligned]) -> tuple[Along, ...]:
    numbers = [one.number for one in aligned]
    tokens = [str(one) for one in numbers] if model.tokenizer is None else model.token_strings(torch.tensor(numbers))
    return tuple(Along(name=token, part=one.part, z=one.z) for token, one in zip(tokens, aligned, strict=True))
