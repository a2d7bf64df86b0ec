"""One writer per folder: a lock that the operating system lets go of when its process dies."""

import fcntl
import os
from pathlib import Path

from mechlab.core.errors import UsageError
from mechlab.store.disk import explained

LOCK_NAME = ".lock"


class FolderLock:
    """The right to write in a folder, from `acquire` to `release`; the folder is made if it is not there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take the lock.

        Raises:
            UsageError: another process writes there (the message names it), or the folder cannot be made.
        """
        # The folder may be renamed by its writer between our opening the file and our locking it: then look again.
        while self._descriptor is None:
            with explained(self.folder):
                self._descriptor = self._try()

    @property
    def held(self) -> bool:
        """Return whether this process holds the lock."""
        return self._descriptor is not None

    def release(self) -> None:
        """Let go of the lock."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _try(self) -> int | None:
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / LOCK_NAME
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, 20).decode(errors="replace").strip()
            os.close(descriptor)
            remedy = f"Wait for process {holder or '(just starting)'}, or give another --out."
            raise UsageError("another process is writing this run", value=str(self.folder), remedy=remedy) from None
        if not path.exists() or not os.path.samestat(path.stat(), os.fstat(descriptor)):
            os.close(descriptor)
            return None
        os.ftruncate(descriptor, 0)
        os.write(descriptor, str(os.getpid()).encode())
        return descriptor
