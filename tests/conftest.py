"""Test set-up: shape annotations are executed, tiny models run on one thread, and no hub is asked."""

import os

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

from jaxtyping import install_import_hook

install_import_hook("mechlab", "typechecker.check")

import pytest  # noqa: E402
import torch  # noqa: E402

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    """Return the folder of a language model of 16 dimensions that reads the tales; rooms have their own `model`."""
    from small_run import tiny_model

    return tiny_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """Run a test in a folder of its own: default places are relative."""
    monkeypatch.chdir(tmp_path)
