"""Where a run comes from, and nothing that names the machine."""

import subprocess
import sys
from datetime import datetime

import pytest
import torch

from mechlab.store.provenance import git_revision, hardware, package_versions, provenance_now


def git(folder, *arguments):
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    done = subprocess.run(["git", "-C", folder, *identity, *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def tree(tmp_path):
    git(tmp_path, "init", "-q")
    (tmp_path / "a").write_text("1")
    git(tmp_path, "add", "a")
    git(tmp_path, "commit", "-q", "-m", "one")
    return tmp_path


def test_a_clean_tree_has_its_commit(tree):
    assert git_revision(tree) == git(tree, "rev-parse", "HEAD")


def test_a_changed_tree_says_so(tree):
    (tree / "a").write_text("2")
    assert git_revision(tree) == git(tree, "rev-parse", "HEAD") + "+changes"


def test_a_folder_inside_somebody_elses_tree_has_none(tree):
    (tree / "inside").mkdir()
    assert git_revision(tree / "inside") is None


def test_without_git_there_is_none(tree, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert git_revision(tree) is None


def test_versions_are_those_that_run():
    versions = package_versions()
    assert versions["python"] == ".".join(map(str, sys.version_info[:3]))
    assert versions["torch"] == torch.__version__
    assert "mechlab" in versions


def test_hardware_counts_cores_and_bytes():
    found = hardware()
    assert found["n_cores"] >= 1
    assert found.get("memory_bytes", 1 << 30) > 1 << 26


def test_nothing_names_the_machine_or_a_place_on_it(monkeypatch, tmp_path):
    monkeypatch.setattr("platform.node", lambda: "marys-laptop")
    monkeypatch.setattr("socket.gethostname", lambda: "marys-laptop")
    provenance = provenance_now()
    assert "marys-laptop" not in provenance.model_dump_json()
    assert set(provenance.hardware) <= {
        *("system", "machine", "processor", "n_cores", "memory_bytes", "accelerator", "n_accelerators", "products"),
    }
    for text in (*provenance.versions.values(), *map(str, provenance.hardware.values())):
        assert not text.startswith("/")


def test_it_starts_now_in_utc_and_has_not_ended():
    provenance = provenance_now()
    started = datetime.fromisoformat(provenance.started)
    assert abs((datetime.now(started.tzinfo) - started).total_seconds()) < 60
    assert started.utcoffset().total_seconds() == 0
    assert provenance.ended is None
