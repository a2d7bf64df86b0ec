"""A finished run: a folder that says what it is, opened for reading."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mechlab.core.errors import ArtifactError, UsageError
from mechlab.store.manifest import MANIFEST_NAME, Identity, RunManifest, read_manifest
from mechlab.store.verification import Problem, verify_file, verify_folder

LOG_NAME = "metrics.jsonl"
DICTIONARY_NAME = "dictionary"
MODEL_NAME = "model"
CODES_NAME = "codes.arrow"
CHANNELS_NAME = "channels.arrow"
FEATURES_NAME = "features.arrow"
HEADS_NAME = "heads.arrow"
GRAPH_NAME = "graph.json"
GRAPH_NODES_NAME = "graph_nodes.arrow"
GRAPH_EDGES_NAME = "graph_edges.arrow"
STEERED_NAME = "steered.json"
REPORT_NAME = "report.html"
CHECKPOINTS_NAME = "checkpoints"


@dataclass(frozen=True)
class Run:
    """A run on disk: its folder and what its manifest says."""

    folder: Path
    manifest: RunManifest

    @property
    def id(self) -> str:
        """Return the run's id."""
        return self.manifest.id

    def verify(self) -> list[Problem]:
        """Return all that is not as it was stored."""
        return verify_folder(self.folder, self.manifest)

    def read_log(self) -> list[dict[str, Any]]:
        """Return the lines of `metrics.jsonl`, the oldest first."""
        lines = self.file(LOG_NAME).read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines]

    def dictionary_folder(self) -> Path:
        """Return the dictionary's SAELens folder, after checking that its files are as stored.

        Raises:
            ArtifactError: the run has no dictionary, or it was changed; the message names the file and the tensor.
        """
        return self._folder(DICTIONARY_NAME, "Give a run of `train`.")

    def model_folder(self) -> Path:
        """Return the folder of the model the run made, after checking that its files are as stored.

        Raises:
            ArtifactError: the run has no model, or it was changed; the message names the file and the tensor.
        """
        return self._folder(MODEL_NAME, "Give a run of `train codebook`.")

    def _folder(self, folder: str, remedy: str) -> Path:
        names = [name for name in self.manifest.files if name.startswith(f"{folder}/")]
        if not names:
            raise ArtifactError(f"run has no {folder}", value=str(self.folder), remedy=remedy)
        for name in names:
            self.file(name)
        return self.folder / folder

    def file(self, name: str) -> Path:
        """Return the place of one of the run's files, after checking that it is as stored.

        Raises:
            ArtifactError: the run has no such file, or it was changed.
        """
        record = self.manifest.files.get(name)
        if record is None:
            remedy = f"It has {', '.join(self.manifest.files) or 'no files'}."
            raise ArtifactError(f"run has no file {name!r}", value=str(self.folder), remedy=remedy)
        for problem in verify_file(self.folder, name, record):
            remedy = f"{problem}. Restore the file or make the run again."
            raise ArtifactError("run is damaged", value=str(self.folder), remedy=remedy)
        return self.folder / name


def open_run(folder: Path) -> Run:
    """Return the run in a folder (or the run whose `run.json` is given); files are checked when they are read.

    Raises:
        ArtifactError: the folder is not a run, is unfinished, is damaged, or was written by a newer mechlab.
    """
    folder = folder.parent if folder.name == MANIFEST_NAME else folder
    manifest = read_manifest(folder)
    if manifest.provenance.ended is None:
        remedy = "Go on with --resume, or delete it."
        raise ArtifactError("run was not finished", value=str(folder), remedy=remedy)
    return Run(folder, manifest)


def finished_run(out: Path, identity: Identity) -> Run | None:
    """Return the run at `out` if it is this very run, None if the place is free.

    Raises:
        UsageError: `out` is another run, or is no run and not empty.
        ArtifactError: `out` is a run whose manifest is damaged or newer.
    """
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return None
    if not (out / MANIFEST_NAME).is_file():
        raise UsageError("output folder exists and is not a run", value=str(out), remedy="Give another --out.")
    run = open_run(out)
    if run.id != identity.run_id():
        remedy = f"It holds run {run.id}, this one is {identity.run_id()}: give another --out."
        raise UsageError("output folder holds a run with another config", value=str(out), remedy=remedy)
    return run
