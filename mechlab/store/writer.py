"""Writing a run: in `<out>.partial`, which becomes `<out>` in one step when all of it is on the disk."""

import json
import math
import os
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from mechlab.core.config import canonical_json
from mechlab.core.errors import ArtifactError, UsageError
from mechlab.store.checkpoints import (
    Checkpoint,
    checkpoint_places,
    checkpoint_steps,
    drop_later,
    latest_checkpoint,
    prune,
    unfinished_place,
    write_checkpoint,
)
from mechlab.store.checksums import record_file
from mechlab.store.code_index import write_code_index
from mechlab.store.codebook_folder import Tensors, write_codebooks
from mechlab.store.dictionary_folder import write_dictionary
from mechlab.store.disk import explained, sync, write_bytes
from mechlab.store.feature_table import write_features
from mechlab.store.lock import LOCK_NAME, FolderLock
from mechlab.store.manifest import MANIFEST_NAME, Identity, Metric, RunManifest, read_manifest, write_manifest
from mechlab.store.provenance import provenance_now, timestamp
from mechlab.store.run import (
    CHECKPOINTS_NAME,
    CODES_NAME,
    DICTIONARY_NAME,
    FEATURES_NAME,
    LOG_NAME,
    MODEL_NAME,
    Run,
    finished_run,
)
from mechlab.store.shards import write_shard
from mechlab.store.table import write_table
from mechlab.store.verification import stored_files

SUFFIX = ".partial"
SURVIVES_RESUMPTION = (LOCK_NAME, MANIFEST_NAME, LOG_NAME, CHECKPOINTS_NAME)


class RunWriter:
    """A run being written. Use it in a `with` block and call `finish` at its end.

    A block that fails leaves `<out>.partial` if there is a checkpoint to resume from, and nothing otherwise.
    `resumed_from` is the checkpoint to go on from, None at a start from nothing.

    Args:
        out: the run's folder.
        identity: what determines the run.
        resume: go on with an unfinished run.
        at_step: the checkpoint to go on from, later ones being dropped; 0 starts from nothing, None takes the newest.
        keep_checkpoints: how many of the newest stay.
    """

    def __init__(
        self,
        out: Path,
        identity: Identity,
        *,
        resume: bool = False,
        at_step: int | None = None,
        keep_checkpoints: int = 2,
    ) -> None:
        self.out = out.resolve()
        self.folder = self.out.with_name(self.out.name + SUFFIX)
        self.identity = identity
        self.keep_checkpoints = keep_checkpoints
        self.resumed_from: Checkpoint | None = None
        self._resume, self._at_step = resume, at_step
        self._lock = FolderLock(self.folder)
        self._began = time.monotonic()
        self._provenance = provenance_now()

    def __enter__(self) -> "RunWriter":
        """Take the place and find where to go on from.

        Raises:
            UsageError: the place is taken by another run, folder or process, or an unfinished run needs `resume`.
            ArtifactError: the newest checkpoint of the unfinished run is damaged.
        """
        _refuse_foreign(self.out, self.folder)
        self._lock.acquire()
        try:
            self._refuse_finished()
            self._settle()
        except BaseException:
            self._abandon()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Keep what can be resumed, delete what cannot, and let go of the folder."""
        self._abandon()

    def log(self, numbers: Mapping[str, Any]) -> None:
        """Append one line to `metrics.jsonl`; numbers that are not finite become null."""
        line = canonical_json({key: _finite(value) for key, value in numbers.items()}) + "\n"
        path = self.folder / LOG_NAME
        with explained(path), path.open("ab") as file:
            file.write(line.encode())

    def read_log(self) -> list[dict[str, Any]]:
        """Return the lines of `metrics.jsonl` so far, those from before a resumption included."""
        path = self.folder / LOG_NAME
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def save_shard(self, step: int, index: int, n: int, tensors: Mapping[str, Tensor]) -> str:
        """Write this process's part of the coming checkpoint and return its SHA-256."""
        return write_shard(unfinished_place(self.folder / CHECKPOINTS_NAME, step), index, n, tensors)

    def save_checkpoint(
        self, step: int, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any], shards: tuple[str, ...] = ()
    ) -> None:
        """Write a checkpoint and remember how long the log was; only the newest few are kept.

        `shards` are the SHA-256 of the parts that all processes have saved, in their order.
        """
        log = self.folder / LOG_NAME
        with explained(log):
            log.touch()
            sync(log)
            log_bytes = log.stat().st_size
        checkpoint = Checkpoint(step, dict(tensors), dict(numbers), log_bytes, shards)
        write_checkpoint(self.folder / CHECKPOINTS_NAME, checkpoint, self.keep_checkpoints)

    def write_dictionary(self, cfg: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
        """Write the dictionary's SAELens folder."""
        write_dictionary(self.folder / DICTIONARY_NAME, cfg, tensors)

    def write_model(self, save: Callable[[Path], None]) -> None:
        """Let a model be saved into the run's folder of its own."""
        place = self.folder / MODEL_NAME
        with explained(place):
            place.mkdir(exist_ok=True)
            save(place)

    def write_codebooks(self, configs: Mapping[str, Mapping[str, Any]], tensors: Tensors) -> None:
        """Write a model's codebooks beside it."""
        write_codebooks(self.folder / MODEL_NAME, configs, tensors)

    def write_codes(self, columns: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
        """Write the index of a model's codes."""
        write_code_index(self.folder / CODES_NAME, columns, facts)

    def write_features(self, columns: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
        """Write the table of a dictionary's features."""
        write_features(self.folder / FEATURES_NAME, columns, facts)

    def write_table(self, name: str, columns: Mapping[str, Tensor | Sequence[str]]) -> None:
        """Write a table of the run: columns of numbers or texts, all of one length."""
        write_table(self.folder / name, columns)

    def write_text(self, name: str, text: str) -> None:
        """Write a text file of the run, such as its report."""
        write_bytes(self.folder / name, text.encode())

    def finish(self, metrics: Mapping[str, Metric]) -> Run:
        """Record metrics, checksums and times, give the folder its name, and return the run.

        Of the checkpoints only the newest stays: the others were there to survive a damaged one.
        """
        with explained(self.out):
            prune(self.folder / CHECKPOINTS_NAME, keep=1)
            files = {}
            for name in stored_files(self.folder):
                sync(self.folder / name)
                files[name] = record_file(self.folder / name)
            manifest = write_manifest(self.folder, self._manifest(metrics, files))
            self.folder.replace(self.out)
            (self.out / LOCK_NAME).unlink()
            sync(self.out.parent)
        self._lock.release()
        return Run(self.out, manifest)

    def _manifest(self, metrics: Mapping[str, Metric], files: dict[str, Any]) -> RunManifest:
        wall_s = round(time.monotonic() - self._began, 3)
        return RunManifest(
            **self.identity.model_dump(),
            id=self.identity.run_id(),
            metrics={name: _finite(value) for name, value in metrics.items()},
            files=files,
            provenance=self._provenance.model_copy(update={"ended": timestamp(), "wall_s": wall_s}),
        )

    def _refuse_finished(self) -> None:
        if finished_run(self.out, self.identity) is not None:
            raise UsageError("run is already done", value=str(self.out), remedy="Give another --out to make it again.")

    def _settle(self) -> None:
        """Go on from the newest checkpoint, or clear what a run killed before its first checkpoint left."""
        if checkpoint_places(self.folder / CHECKPOINTS_NAME):
            self._refuse_resumption()
            drop_later(self.folder / CHECKPOINTS_NAME, self._at_step)
            self.resumed_from = latest_checkpoint(self.folder / CHECKPOINTS_NAME)
        _clear(self.folder, SURVIVES_RESUMPTION if self.resumed_from else (LOCK_NAME,))
        if self.resumed_from:
            _cut(self.folder / LOG_NAME, self.resumed_from.log_bytes)
            resumption = {
                "started": read_manifest(self.folder).provenance.started,
                "resumed_at_step": self.resumed_from.step,
            }
            self._provenance = self._provenance.model_copy(update=resumption)
        identity = self.identity.model_dump()
        write_manifest(self.folder, RunManifest(**identity, id=self.identity.run_id(), provenance=self._provenance))

    def _refuse_resumption(self) -> None:
        found = read_manifest(self.folder).id
        if found != self.identity.run_id():
            remedy = f"It holds run {found}, this one is {self.identity.run_id()}: give another --out, or delete it."
            raise UsageError("unfinished run has another config", value=str(self.folder), remedy=remedy)
        if not self._resume:
            remedy = "Give --resume to go on with it, or delete it."
            raise UsageError("unfinished run is in the way", value=str(self.folder), remedy=remedy)

    def _abandon(self) -> None:
        owned = self._lock.held and self.folder.is_dir()
        if owned and not checkpoint_places(self.folder / CHECKPOINTS_NAME):
            shutil.rmtree(self.folder, ignore_errors=True)
        self._lock.release()


def unfinished_steps(out: Path) -> list[int]:
    """Return the steps after which an unfinished run left checkpoints, the oldest first."""
    return checkpoint_steps(out.resolve().with_name(out.name + SUFFIX) / CHECKPOINTS_NAME)


def _refuse_foreign(out: Path, folder: Path) -> None:
    if out.name.endswith(SUFFIX):
        raise UsageError("this name is for unfinished runs", value=str(out), remedy=f"Leave out {SUFFIX}.")
    if not folder.exists() or (folder / MANIFEST_NAME).is_file():
        return
    if not folder.is_dir() or any(not path.name.startswith(".") for path in folder.iterdir()):
        raise UsageError("place for the unfinished run is taken", value=str(folder), remedy="Give another --out.")


def _clear(folder: Path, kept: tuple[str, ...]) -> None:
    with explained(folder):
        for path in folder.iterdir():
            if path.name not in kept:
                shutil.rmtree(path) if path.is_dir() else path.unlink()


def _cut(log: Path, n_bytes: int) -> None:
    if log.stat().st_size < n_bytes if log.exists() else n_bytes > 0:
        remedy = "Lines are missing: delete the folder and start again."
        raise ArtifactError("log of the unfinished run is damaged", value=str(log), remedy=remedy)
    with explained(log):
        log.touch()
        os.truncate(log, n_bytes)


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
