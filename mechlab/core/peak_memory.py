"""How far work raises what this process holds in memory, by the kernel's own account (Linux).

1. Freed memory is given back, and the kernel's high-water mark reset.
2. The work's rise is the mark afterwards, less what was resident before.
"""

import ctypes
import gc
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

RESET_PEAK = "5"


class Rise(NamedTuple):
    """What was resident before some work, and by how much it rose at most meanwhile, in bytes."""

    before_bytes: int
    extra_bytes: int


def rise_of(work: Callable[[], Any]) -> Rise:
    """Return what work takes in memory beside what is there; use a process of its own for what is to be compared."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text(RESET_PEAK)
    before = _bytes("VmRSS")
    work()
    return Rise(before, _bytes("VmHWM") - before)


def _bytes(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:")) * 1024
