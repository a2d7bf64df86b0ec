"""A sweep on disk: a folder of runs, and `sweep.json`, which says what they are to be and what was measured of each."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from mechlab.core.config import Config, digest
from mechlab.core.errors import ArtifactError, UsageError
from mechlab.store.disk import read_json, write_bytes, write_json
from mechlab.store.lock import LOCK_NAME, FolderLock
from mechlab.store.manifest import Metric

SCHEMA_VERSION = 1
SWEEP_NAME = "sweep.json"
PAGE_NAME = "sweep.html"


class MemberRecord(Config):
    """One dictionary of a sweep.

    Attributes:
        name: of its run's folder.
        run: the id of its run.
        settings: what tells it from the others.
        seed: of its first weights.
        metrics: what was measured; empty until its run is finished.
        problem: why it has no run, if its training failed.
    """

    name: str
    run: str
    settings: dict[str, Any]
    seed: int
    metrics: dict[str, Metric] = Field(default_factory=dict)
    problem: str = ""


class SweepRecord(Config):
    """The content of `sweep.json`."""

    schema_version: int = SCHEMA_VERSION
    kind: str
    config: dict[str, Any]
    members: tuple[MemberRecord, ...]
    finished: bool = False

    @property
    def id(self) -> str:
        """Return the sweep's id: the hash of its runs' ids, and of how much of them is written."""
        return digest([self.config.get("reports", False), *(member.run for member in self.members)])[:16]

    def measured(self, found: Mapping[str, MemberRecord]) -> "SweepRecord":
        """Return the finished record, each member as it was found."""
        members = tuple(found[member.name] for member in self.members)
        return self.model_copy(update={"members": members, "finished": True})


def read_sweep(folder: Path) -> SweepRecord | None:
    """Return what a folder says of its sweep; None if there is nothing in it.

    Raises:
        UsageError: it holds something else.
        ArtifactError: its `sweep.json` is damaged.
    """
    if not folder.exists() or (folder.is_dir() and all(path.name == LOCK_NAME for path in folder.iterdir())):
        return None
    if not (folder / SWEEP_NAME).is_file():
        raise UsageError("output folder exists and is not a sweep", value=str(folder), remedy="Give another --out.")
    values = read_json(folder / SWEEP_NAME, SWEEP_NAME)
    values.pop("id", None)
    try:
        return SweepRecord.model_validate(values)
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors()[0]["loc"])
        remedy = f"{where}: {error.errors()[0]['msg']}."
        raise ArtifactError("sweep.json is damaged", value=str(folder / SWEEP_NAME), remedy=remedy) from None


def finished_sweep(folder: Path, wanted: SweepRecord, *, resume: bool) -> SweepRecord | None:
    """Return the sweep at `folder` if it is this one and finished; None if it may be begun, or gone on with.

    Raises:
        UsageError: the folder holds another sweep or something else, or an unfinished one needs `resume`.
        ArtifactError: its `sweep.json` is damaged.
    """
    found = read_sweep(folder)
    if found is None:
        return None
    if found.id != wanted.id:
        remedy = f"It holds sweep {found.id}, this one is {wanted.id}: give another --out."
        raise UsageError("output folder holds another sweep", value=str(folder), remedy=remedy)
    if not found.finished and not resume:
        remedy = "Give --resume to go on with it, or delete it."
        raise UsageError("unfinished sweep is in the way", value=str(folder), remedy=remedy)
    return found if found.finished else None


class SweepWriter:
    """A sweep being written, in a `with` block; what fails before any of its runs can be resumed leaves nothing."""

    def __init__(self, folder: Path, record: SweepRecord, *, resume: bool) -> None:
        self.folder, self._record, self._resume = folder, record, resume
        self._lock = FolderLock(folder)

    def __enter__(self) -> "SweepWriter":
        """Take the folder and write what the sweep is to be.

        Raises:
            UsageError: the folder is taken, by another sweep or by another process.
        """
        finished_sweep(self.folder, self._record, resume=self._resume)
        self._lock.acquire()
        self._write(self._record)
        return self

    def __exit__(self, *_: object) -> None:
        """Let go of the folder; without a run or the beginning of one it is deleted."""
        (self.folder / LOCK_NAME).unlink(missing_ok=True)
        if not any(path.is_dir() for path in self.folder.iterdir()):
            (self.folder / SWEEP_NAME).unlink(missing_ok=True)
            self.folder.rmdir()
        self._lock.release()

    def place(self, member: str) -> Path:
        """Return where a member's run is, or will be."""
        return self.folder / member

    def finish(self, record: SweepRecord, page: str) -> None:
        """Write the page, and what was measured."""
        write_bytes(self.folder / PAGE_NAME, page.encode())
        self._write(record)

    def _write(self, record: SweepRecord) -> None:
        write_json(self.folder / SWEEP_NAME, {"id": record.id, **record.model_dump(mode="json")})
