"""`mechlab show RUN`: one run in the terminal, and where its page is."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from mechlab.core.config import Config as BaseConfig
from mechlab.core.progress import Progress
from mechlab.verbs.outcome import Outcome, Positional, Verb


class Config(BaseConfig):
    """Which run."""

    run: Annotated[str, Positional()] = Field(description="Folder of a run, or the first digits of its id.")
    root: Path = Field(Path("runs"), description="Folder in which ids are looked up.")
    open: bool = Field(False, description="Open the page in the browser.")


def run(config: Config, progress: Progress) -> Outcome:
    """Show what a run is, what it measured, and where its page is."""
    from mechlab.store.catalog import find_run
    from mechlab.store.run import REPORT_NAME
    from mechlab.verbs.steps.listing import listed
    from mechlab.verbs.steps.summary import run_summary
    from mechlab.views.report_data import Fact
    from mechlab.views.table import run_card

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
    lists, tables = listed(found)
    return Outcome({**data, **lists}, (card, metrics, *tables), (f"page: {page}",) if page else ())


VERB = Verb(Config, run)
