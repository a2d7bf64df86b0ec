"""The channels of a model as a run.

1. Load the model; refuse a head, an offset or norms that do not fit, before anything is written.
2. A run that is already there is returned as it is.
3. Decompose the heads, score all pairs, and judge the scores against the null.
4. Where asked, find out what the first channels carry.
5. Write the table of channels, what they carry, and the page; the run gets its name when all are on the disk.
"""

from pathlib import Path

from mechlab.circuits.channels.channel_map import ChannelMap, of_circuits
from mechlab.circuits.channels.columns import ChannelColumns
from mechlab.circuits.channels.head_circuits import head_circuits
from mechlab.core.config import canonical_json
from mechlab.core.errors import UsageError
from mechlab.core.progress import Progress
from mechlab.core.runtime import use_threads
from mechlab.models.language_model import LanguageModel
from mechlab.models.loaders import is_on_disk, load
from mechlab.models.processing import processed
from mechlab.models.sites import Site
from mechlab.store.manifest import Identity, Metric, ModelRecord
from mechlab.store.run import CHANNELS_NAME, REPORT_NAME, Run, finished_run, open_run
from mechlab.store.writer import RunWriter
from mechlab.verbs.channel_options import MOST_CARRIED, ChannelOptions
from mechlab.verbs.steps.channels.carried import CARRIED_NAME, Carriers, carried
from mechlab.verbs.steps.channels.list import asked_rows
from mechlab.verbs.steps.channels.page import RATE, page_data
from mechlab.verbs.steps.channels.sources import Sources, labelled_rows, open_sources
from mechlab.views.channel_carried import CarriedData
from mechlab.views.channel_page import render_channels

LEAST_Z = 2.0


def channel_run(config: ChannelOptions, progress: Progress) -> Run:
    """Return the finished run; made now, or found where it was made before.

    Raises:
        UsageError: the model is unknown or its norms cannot be folded, a head or the offset is not of this model, the
            text or dictionary asked for does not fit, or the output folder is taken.
    """
    model = load(config.model, device="cpu")
    use_threads(config.threads, model.spec.n_params)
    for name in (config.from_head, config.to_head):
        if name is not None:
            Site.parse(f"head.{name}", model.spec)
    if model.spec.n_layers < 2:
        raise UsageError("no head has a later one to talk to", value=model.name, remedy="It has one layer only.")
    sources = open_sources(config, model)
    folded = model if model.processing else processed(model)
    identity = identity_of(config, model, folded, sources)
    out = config.out or Path("runs") / f"channels-{Path(model.name).name}-{identity.run_id()[:8]}"
    done = finished_run(out, identity)
    if done is not None:
        progress.note(f"this run is already there: {out}")
        return done
    circuits = head_circuits(folded, offset=config.offset, biases=config.biases)
    with RunWriter(out, identity) as writer:
        found = of_circuits(circuits, modes=config.mode, null=config.null)
        columns = found.columns(LEAST_Z)
        data = None if sources is None else _carried(config, folded, found, columns, sources, progress)
        if data is not None:
            writer.write_text(CARRIED_NAME, canonical_json(data))
        writer.write_table(CHANNELS_NAME, columns.columns())
        writer.write_text(REPORT_NAME, render_channels(page_data(identity, model, found, columns, LEAST_Z, data)))
        writer.finish(channel_metrics(found, data))
    return open_run(out)


def identity_of(
    config: ChannelOptions, model: LanguageModel, folded: LanguageModel, sources: Sources | None = None
) -> Identity:
    """Return what determines the run: the model, how its weights were processed, and what counts as a channel.

    What the first channels carry depends also on which are first, on the text, and on the dictionary.
    """
    known = {"fingerprint": model.fingerprint, "processing": tuple(folded.processing)}
    record = ModelRecord(name=config.model, at_path=is_on_disk(config.model), **known)
    settings = config.model_dump(mode="json", include={"mode", "null", "offset", "biases"})
    if sources is None:
        return Identity(kind="channels", config=settings, model=record)
    asked = {"from": config.from_head, "to": config.to_head, "n": min(config.top, MOST_CARRIED)}
    read = None if sources.corpus is None else config.tokens
    return Identity(
        kind="channels",
        config={**settings, "carries": {**asked, "tokens": read}},
        seed=config.seed,
        parents=() if sources.features is None else (sources.features.run.id,),
        model=record,
        corpus=sources.record,
    )


def channel_metrics(found: ChannelMap, carried: CarriedData | None = None) -> dict[str, Metric]:
    """Return how many channels were scored, and by mode how many are discoveries and how surprising the first is.

    Where somebody asked what the first carry: how many were looked into, and how many tell a cause beyond both nulls.
    """
    looked = () if carried is None else carried.channels
    telling = [channel for channel in looked if any(cause.is_beyond for cause in channel.causes)]
    real = {mode: one.z[~one.z.isnan()] for mode, one in found.surprises.items()}
    return {
        "n_channels": sum(len(z) for z in real.values()),
        **{f"n_discoveries_{mode}": int((one.q <= RATE).sum()) for mode, one in found.surprises.items()},
        **{f"largest_z_{mode}": float(z.max()) if len(z) else None for mode, z in real.items()},
        **({} if carried is None else {"n_looked_into": len(looked), "n_telling_a_cause": len(telling)}),
    }


def _carried(
    config: ChannelOptions,
    folded: LanguageModel,
    found: ChannelMap,
    columns: ChannelColumns,
    sources: Sources,
    progress: Progress,
) -> CarriedData:
    """Return what the first channels of those asked for carry."""
    corpus = sources.corpus
    rows = None if corpus is None else labelled_rows(config, folded, corpus, progress)
    name = "" if corpus is None else corpus.name
    carriers = Carriers(folded, found.circuits, config.seed, rows, sources.features, name)
    first = asked_rows(config, columns)[: min(config.top, MOST_CARRIED)]
    return carried(carriers, [columns.channel(row) for row in first], progress)
