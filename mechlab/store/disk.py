"""Files appear whole or not at all: written beside their place, synced, renamed; a full disk is one line."""

import errno
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mechlab.core.errors import ArtifactError, UsageError

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary place beside `path`; what stands there when the block ends replaces `path` in one step.

    Raises:
        UsageError: the disk is full or refuses the write; nothing is left and an older `path` is untouched.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    with explained(path):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            yield temporary
            sync(temporary)
            temporary.replace(path)
            sync(path.parent)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn what the operating system says about writing `path` into one line for the user."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            remedy = "Free some space, or give a folder on another disk."
            raise UsageError("disk is full, cannot write", value=str(path), remedy=remedy) from None
        raise UsageError("cannot write", value=str(path), remedy=f"{error.strerror or error}.") from None


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def write_json(path: Path, value: Any) -> None:
    """Write a value as JSON for people: sorted keys, two spaces, one newline at the end."""
    text = json.dumps(value, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False)
    write_bytes(path, (text + "\n").encode())


def read_json(path: Path, noun: str) -> dict[str, Any]:
    """Return the JSON object a stored file holds.

    Raises:
        ArtifactError: the file is missing or is not a JSON object; the message calls it by its noun.
    """
    try:
        value = json.loads(path.read_bytes())
    except OSError as error:
        raise ArtifactError(f"{noun} cannot be read", value=str(path), remedy=f"{error.strerror}.") from None
    except (ValueError, RecursionError) as error:
        raise ArtifactError(f"{noun} is damaged", value=str(path), remedy=f"It is not JSON: {error}.") from None
    if not isinstance(value, dict):
        raise ArtifactError(f"{noun} is damaged", value=str(path), remedy="It is not a JSON object.")
    return value


def sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, have reached the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
