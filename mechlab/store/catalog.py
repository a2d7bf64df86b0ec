"""The run list: every run below a folder, the finished, the unfinished and the broken, found by path or id."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mechlab.core.errors import ArtifactError, UnknownName
from mechlab.store.manifest import MANIFEST_NAME, RunManifest, read_manifest
from mechlab.store.run import Run, open_run

DEPTH = 2
SHORTEST_PREFIX = 4


@dataclass(frozen=True)
class Entry:
    """One line of the run list; `manifest` is None, and `problem` says why, where `run.json` cannot be read."""

    folder: Path
    state: Literal["finished", "unfinished", "broken"]
    manifest: RunManifest | None = None
    problem: str = ""


def list_runs(root: Path) -> list[Entry]:
    """Return the runs at `root` and up to two folders below it, the oldest first, the broken ones last.

    Raises:
        ArtifactError: there is no such folder.
    """
    if not root.is_dir():
        raise ArtifactError("no such folder of runs", value=str(root), remedy="Give the folder runs were written to.")
    return sorted((_entry(folder) for folder in _run_folders(root, DEPTH)), key=_age)


def find_run(text: str, root: Path) -> Run:
    """Return the run that `text` names: a folder, or the first digits of the id of a finished run below `root`.

    Raises:
        UnknownName: no run or several runs have that name; the message lists the ids there are.
        ArtifactError: the folder is not a run, or cannot be read.
    """
    if Path(text).exists():
        return open_run(Path(text))
    finished = (
        [entry for entry in list_runs(root) if entry.manifest and entry.state == "finished"] if root.is_dir() else []
    )
    ids = {entry.manifest.id: entry for entry in finished if entry.manifest}
    found = [name for name in ids if name.startswith(text)] if len(text) >= SHORTEST_PREFIX else []
    if len(found) == 1:
        return open_run(ids[found[0]].folder)
    remedy = f"Give a folder, or an id: {', '.join(found or ids) or f'there are no finished runs in {root}'}."
    raise UnknownName("several runs have this id" if found else "unknown run", value=text, remedy=remedy)


def _run_folders(root: Path, depth: int) -> list[Path]:
    if (root / MANIFEST_NAME).is_file():
        return [root]
    if depth == 0:
        return []
    try:
        inner = sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    except OSError:
        return []
    return [folder for path in inner for folder in _run_folders(path, depth - 1)]


def _entry(folder: Path) -> Entry:
    try:
        manifest = read_manifest(folder)
    except ArtifactError as error:
        return Entry(folder, "broken", problem=str(error))
    return Entry(folder, "finished" if manifest.provenance.ended else "unfinished", manifest)


def _age(entry: Entry) -> tuple[bool, str, str]:
    started = entry.manifest.provenance.started if entry.manifest else ""
    return entry.manifest is None, started, str(entry.folder)
