"""Disks that fill up, processes that are killed, and a run to play with."""

import os
import resource
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from mechlab.core.estimate import Estimate
from mechlab.store.manifest import CorpusRecord, Identity, ModelRecord
from mechlab.store.run import Run
from mechlab.store.writer import RunWriter


@pytest.fixture(autouse=True)
def synced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths that were to be forced to the disk, in order. Nothing is: a killed process needs no forcing."""
    paths: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda file: paths.append(str(Path(f"/proc/self/fd/{file}").readlink())))
    return paths


@pytest.fixture
def identity() -> Identity:
    return Identity(
        kind="train",
        config={"k": 16, "train": {"lr": 0.001, "n_tokens": 1000}},
        seed=3,
        model=ModelRecord(name="tiny", fingerprint="m" * 64),
        corpus=CorpusRecord(name="words", fingerprint="c" * 64),
    )


@pytest.fixture
def names() -> Callable[[Path], list[str]]:
    """A function that gives the sorted names of all that stands in a folder."""
    return lambda folder: sorted(path.name for path in folder.iterdir())


@pytest.fixture
def make_run(tmp_path: Path, identity: Identity) -> Callable[..., Run]:
    """A function that writes a small finished run, by default at `a`, with any field of its identity replaced."""

    def make(name: str = "a", metrics: dict | None = None, **fields: object) -> Run:
        default = {"l0": Estimate(value=16, low=15, high=17, n=100), "n_tokens": 1000}
        with RunWriter(tmp_path / name, identity.model_copy(update=fields)) as writer:
            for step in (1, 2):
                writer.log({"step": step, "loss": 1 / step})
                writer.save_checkpoint(step, {"moment": torch.full((3,), float(step))}, {"seen": 10 * step})
            draws = torch.Generator().manual_seed(0)
            weights = {"W_enc": torch.randn(4, 8, generator=draws), "W_dec": torch.randn(8, 4, generator=draws)}
            writer.write_dictionary({"architecture": "topk", "d_in": 4, "d_sae": 8}, weights)
            writer.write_text("report.html", "<p>naïve</p>")
            return writer.finish(default if metrics is None else metrics)

    return make


@pytest.fixture
def run(make_run: Callable[..., Run]) -> Run:
    return make_run()


@pytest.fixture
def file_limit() -> Callable[[int], object]:
    """A context in which the system refuses to let any file grow beyond so many bytes."""

    @contextmanager
    def limited(n_bytes: int) -> Iterator[None]:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    return limited


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 64 KiB."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(place)]
    try:
        mounted = subprocess.run(command, capture_output=True, text=True)
    except OSError as error:
        pytest.skip(f"mount cannot be run: {error}")
    if mounted.returncode:
        pytest.skip(f"no right to mount a small disk: {mounted.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.fixture
def killed() -> Callable[[Callable[[], object]], None]:
    """A function that runs work in a process of its own and checks that a SIGKILL ended it."""

    def run_until_killed(work: Callable[[], object]) -> None:
        child = os.fork()
        if child == 0:
            try:
                work()
            finally:
                os._exit(1)  # nothing of the test runner may run in the child
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL

    return run_until_killed
