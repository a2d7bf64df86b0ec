"""`mechlab show RUN`: one run in the terminal, and where its page is."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from mechlab.core.config import Config as BaseConfig
from mechlab.core.progress import Progress
from mechlab.verbs.outcome import Outcome, Positional, Verb

N_CHANNELS = 10
N_EFFECTS = 10
N_HEADS, N_READERS = 10, 4


class Config(BaseConfig):
    """Which run."""

    run: Annotated[str, Positional()] = Field(description="Folder of a run, or the first digits of its id.")
    root: Path = Field(Path("runs"), description="Folder in which ids are looked up.")
    open: bool = Field(False, description="Open the page in the browser.")


def run(config: Config, progress: Progress) -> Outcome:
    """Show what a run is, what it measured, and where its page is."""
    from mechlab.store.catalog import find_run
    from mechlab.store.run import CHANNELS_NAME, GRAPH_NODES_NAME, HEADS_NAME, REPORT_NAME, STEERED_NAME
    from mechlab.verbs.steps.summary import run_summary
    from mechlab.views.report_data import Fact
    from mechlab.views.table import Table, run_card

    found = find_run(config.run, config.root)
    manifest = found.manifest
    facts = {
        "run": found.folder,
        "kind": manifest.kind,
        "model": manifest.model and f"{manifest.model.name} ({manifest.model.fingerprint[:16]})",
        "site": manifest.config.get("site"),
        "target": manifest.config.get("target"),
        "corpus": manifest.corpus and f"{manifest.corpus.name} ({manifest.corpus.fingerprint[:16]})",
        "parents": ", ".join(manifest.parents) or None,
        "seed": manifest.seed,
        "made": f"{manifest.provenance.ended}, {manifest.provenance.wall_s:.0f} s of work",
    }
    page = found.file(REPORT_NAME) if REPORT_NAME in manifest.files else None
    if page is not None and config.open:
        import webbrowser

        webbrowser.open(page.resolve().as_uri())
    data, metrics = run_summary(found)
    card = run_card([Fact(label=label, value=str(value)) for label, value in facts.items() if value is not None])
    data |= {"report": page and str(page)}
    tables: tuple[Table, ...] = ()
    if CHANNELS_NAME in manifest.files:
        from mechlab.verbs.steps.channel_list import first_channels

        listed, tables = first_channels(found, N_CHANNELS)
        data |= listed
    if GRAPH_NODES_NAME in manifest.files:
        from mechlab.verbs.steps.trace_list import first_effects

        listed, tables = first_effects(found, N_EFFECTS)
        data |= listed
    if HEADS_NAME in manifest.files:
        from mechlab.verbs.steps.observe_list import first_heads

        listed, tables = first_heads(found, N_HEADS, N_READERS)
        data |= listed
    if STEERED_NAME in manifest.files:
        from mechlab.verbs.steps.steer_list import steered_texts

        listed, tables = steered_texts(found)
        data |= listed
    return Outcome(data, (card, metrics, *tables), (f"page: {page}",) if page else ())


VERB = Verb(Config, run)
