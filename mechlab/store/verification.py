"""Verification: what stands in a run's folder against what was stored, down to the tensor a flipped byte is in."""

from dataclasses import dataclass
from pathlib import Path

from mechlab.core.errors import ArtifactError
from mechlab.store.checksums import FileRecord, sha256_of, tensor_checksums
from mechlab.store.lock import LOCK_NAME
from mechlab.store.manifest import MANIFEST_NAME, RunManifest
from mechlab.store.safetensors_header import Header, read_header


@dataclass(frozen=True)
class Problem:
    """One thing that is not as it was stored: the file, the tensor in it if one is known, and what is wrong."""

    file: str
    what: str
    tensor: str | None = None

    def __str__(self) -> str:
        return f"{self.file}: " + (f"tensor {self.tensor} {self.what}" if self.tensor else self.what)


def verify_folder(folder: Path, manifest: RunManifest) -> list[Problem]:
    """Return all that differs between a run's folder and its manifest; an empty list means nothing does."""
    problems = _manifest_problems(manifest)
    for name, record in sorted(manifest.files.items()):
        problems += verify_file(folder, name, record)
    extra = sorted(set(stored_files(folder)) - set(manifest.files))
    return problems + [Problem(name, "was not there when the run was stored") for name in extra]


def verify_file(folder: Path, name: str, record: FileRecord) -> list[Problem]:
    """Return what differs between one file and its record."""
    path = folder / name
    if not path.is_file():
        return [Problem(name, "is missing")]
    try:
        n_bytes = path.stat().st_size
        if n_bytes != record.bytes:
            return [Problem(name, f"has {n_bytes} bytes instead of {record.bytes}")]
        if sha256_of(path) == record.sha256:
            return []
        return _changed_tensors(path, name, record) if record.header else [Problem(name, "was changed")]
    except OSError as error:
        return [Problem(name, f"cannot be read: {error.strerror}")]


def stored_files(folder: Path) -> list[str]:
    """Return the relative paths of all files of a run but its manifest and its writer's lock, sorted."""
    found = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir())
    return sorted(name for name in found if name not in (MANIFEST_NAME, LOCK_NAME))


def _changed_tensors(path: Path, name: str, record: FileRecord) -> list[Problem]:
    header = _header(path)
    if header is None or sha256_of(path, 0, header.n_bytes) != record.header:
        return [Problem(name, "header was changed")]
    found = tensor_checksums(path, header)
    changed = [tensor for tensor, sha256 in found.items() if sha256 != record.tensors.get(tensor)]
    return [Problem(name, "was changed", tensor) for tensor in changed] or [Problem(name, "was changed")]


def _header(path: Path) -> Header | None:
    try:
        return read_header(path)
    except ArtifactError:
        return None


def _manifest_problems(manifest: RunManifest) -> list[Problem]:
    if manifest.run_id() != manifest.id:
        return [Problem(MANIFEST_NAME, f"was changed: its content has the id {manifest.run_id()}, not {manifest.id}")]
    if manifest.seal_of_content() != manifest.seal:
        return [Problem(MANIFEST_NAME, "was changed: its seal does not fit its content")]
    return []
