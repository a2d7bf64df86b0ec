"""What a run says of itself: what determines it, what it measured, what it holds, and where it came from."""

import json
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError, field_validator

from mechlab.core.config import Config, canonical_json, digest
from mechlab.core.errors import ArtifactError
from mechlab.core.estimate import Estimate
from mechlab.store.checksums import FileRecord
from mechlab.store.disk import read_json, write_json

SCHEMA_VERSION = 1
MANIFEST_NAME = "run.json"
Metric = Estimate | int | float | None


class ModelRecord(Config):
    """The model a run looked at: the name or path the user gave, what it is, and what was done to its weights.

    `at_path` says that the name is a place on the user's disk, which means nothing elsewhere.
    """

    name: str
    fingerprint: str
    processing: tuple[str, ...] = ()
    at_path: bool = False


class CorpusRecord(Config):
    """The text a run read: its name, what it is, and whether the name is a place on the user's disk."""

    name: str
    fingerprint: str
    at_path: bool = False


class Identity(Config):
    """What determines a run's bytes. Names are for people: the fingerprints, not the names, make the id."""

    kind: str
    config: dict[str, Any]
    seed: int = 0
    parents: tuple[str, ...] = ()
    model: ModelRecord | None = None
    corpus: CorpusRecord | None = None

    @field_validator("config")
    @classmethod
    def _as_stored(cls, config: dict[str, Any]) -> dict[str, Any]:
        return json.loads(canonical_json(config))

    def run_id(self) -> str:
        """Return the run's id: 16 hex digits of the hash of all that determines it.

        Where model or text were given by a path, the config's `model` or `corpus` is that path as it was typed, of
        which the same content has many; it is left out.
        """
        model = self.model and {"fingerprint": self.model.fingerprint, "processing": self.model.processing}
        corpus = self.corpus and self.corpus.fingerprint
        typed = {name for name, one in (("model", self.model), ("corpus", self.corpus)) if one and one.at_path}
        config = {key: value for key, value in self.config.items() if key not in typed}
        what = {"kind": self.kind, "config": config, "seed": self.seed, "parents": self.parents}
        return digest({**what, "model": model, "corpus": corpus})[:16]


class Provenance(Config):
    """Where and when a run was made: the only part that differs when the same run is made again."""

    git_revision: str | None
    versions: dict[str, str]
    hardware: dict[str, str | int]
    started: str
    ended: str | None = None
    wall_s: float | None = Field(
        default=None, description="Seconds of work since the start, or since the last resumption."
    )
    resumed_at_step: int | None = None


class RunManifest(Identity):
    """The content of `run.json`."""

    schema_version: int = SCHEMA_VERSION
    id: str
    metrics: dict[str, Metric] = Field(default_factory=dict)
    files: dict[str, FileRecord] = Field(default_factory=dict)
    provenance: Provenance
    seal: str = ""

    def seal_of_content(self) -> str:
        """Return the hash of everything but the provenance and the seal itself."""
        return digest(self.model_dump(mode="json", exclude={"provenance", "seal"}))


def write_manifest(folder: Path, manifest: RunManifest) -> RunManifest:
    """Write `run.json`, sealed with the hash of its content, and return it as written."""
    sealed = manifest.model_copy(update={"seal": manifest.seal_of_content()})
    write_json(folder / MANIFEST_NAME, sealed.model_dump(mode="json"))
    return sealed


def read_manifest(folder: Path) -> RunManifest:
    """Return what a run's folder says of itself; its files are not looked at.

    Raises:
        ArtifactError: the folder is not a run, its `run.json` is damaged, or a newer mechlab wrote it.
    """
    path = folder / MANIFEST_NAME
    if not path.is_file():
        remedy = "It has no run.json." if folder.is_dir() else "There is no such folder."
        raise ArtifactError("not a run", value=str(folder), remedy=remedy)
    values = read_json(path, "run.json")
    version = values.get("schema_version")
    if isinstance(version, int) and version > SCHEMA_VERSION:
        remedy = f"Its schema is {version}, this one reads up to {SCHEMA_VERSION}: upgrade mechlab."
        raise ArtifactError("run was written by a newer mechlab", value=str(folder), remedy=remedy)
    try:
        return RunManifest.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ArtifactError("run.json is damaged", value=str(path), remedy=f"{where}: {first['msg']}.") from None
