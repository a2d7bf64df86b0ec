"""Where a run comes from: revision, package versions and hardware, without the machine's name or paths."""

import importlib.metadata
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from mechlab.core.processes import this_place
from mechlab.store.manifest import Provenance

PACKAGES = ("mechlab", "torch", "transformers", "tokenizers", "datasets", "safetensors", "numpy")


def provenance_now() -> Provenance:
    """Return the provenance of a run that starts now."""
    return Provenance(
        git_revision=git_revision(Path(__file__).parents[2]),
        versions=package_versions(),
        hardware=hardware(),
        started=timestamp(),
    )


def timestamp() -> str:
    """Return the time now, in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def git_revision(root: Path) -> str | None:
    """Return the commit checked out at `root`, with `+changes` if tracked files differ from it.

    None if `root` is not the top of a git tree: a package installed inside somebody's project has no revision there.
    """
    if not (root / ".git").exists():
        return None
    revision = _git(root, "rev-parse", "HEAD")
    changed = _git(root, "status", "--porcelain", "--untracked-files=no")
    return f"{revision}+changes" if revision and changed else revision


def package_versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that shape a run's numbers."""
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def hardware() -> dict[str, str | int]:
    """Return the processor, its cores, the memory in bytes, and the accelerator if torch already runs on one."""
    found: dict[str, str | int] = {
        "system": platform.system(),
        "machine": platform.machine(),
        "processor": processor(),
        "n_cores": os.cpu_count() or 1,
    }
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        found["memory_bytes"] = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if (n_processes := this_place().n) > 1:
        found["n_processes"] = n_processes
    torch = sys.modules.get("torch")
    products = sys.modules.get("mechlab.core.products")
    if products is not None:
        found["products"] = products.routes()
    if torch is not None and torch.cuda.is_available():
        found["accelerator"] = torch.cuda.get_device_name(0)
        found["n_accelerators"] = torch.cuda.device_count()
    return found


def processor() -> str:
    """Return the processor's name; on Linux with family and model, since one name stands for many."""
    try:
        first = Path("/proc/cpuinfo").read_text(encoding="utf-8").split("\n\n")[0]
    except OSError:
        return platform.processor()
    told = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in first.splitlines())}
    if "model name" not in told:
        return platform.processor()
    kind = [f"{word} {told[key]}" for word, key in (("family", "cpu family"), ("model", "model")) if key in told]
    return ", ".join([told["model name"], *kind])


def _git(root: Path, *arguments: str) -> str | None:
    try:
        answer = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout.strip() if answer.returncode == 0 else None
