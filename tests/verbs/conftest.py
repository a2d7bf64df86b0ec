"""A run trained on the tiny model through the command line, once per session."""

from pathlib import Path

import pytest
import small_codebooks
from small_run import N_LAYERS, SMALL, TEXT, call

from mechlab.verbs.steps.opening import open_subject
from mechlab.verbs.train_options import TrainOptions


@pytest.fixture(scope="session")
def trained(model, tmp_path_factory):
    """Return the folder of a small run, and what the command that made it printed."""
    out = tmp_path_factory.mktemp("runs") / "small"
    done = call("train", "topk", "--model", model, *SMALL, "--out", out, "--json")
    assert done.code == 0, done.err
    return out, done


@pytest.fixture(scope="session")
def with_codebooks(model, tmp_path_factory):
    """Return the folder of a small run of `train codebook`, and what the command that made it printed."""
    out = tmp_path_factory.mktemp("runs") / "codebooks"
    done = small_codebooks.train(model, out, "--json")
    assert done.code == 0, done.err
    return out, done


@pytest.fixture(scope="session")
def transcoders(model, tmp_path_factory):
    """Return the folders of a transcoder for every MLP of the tiny model, trained through the command line."""
    size = ("--features", 24, "--batch-size", 256, "--pool", 512, "--lr", 0.01, "--k", 4)
    place = tmp_path_factory.mktemp("transcoders")
    for layer in range(N_LAYERS):
        where = ("--site", f"mlp.{layer}", "--out", place / str(layer))
        done = call("train", "skip_transcoder", "--model", model, *TEXT, *size, *where, "--json")
        assert done.code == 0, done.err
    return [place / str(layer) for layer in range(N_LAYERS)]


@pytest.fixture(scope="session")
def options(model):
    """Return options of a small run, as the command line makes them."""

    def options(**changed):
        small = {"corpus": "tales", "row_length": 32, "tokens": 2048, "eval_tokens": 1024, "site": "resid_post.0"}
        size = {"features": 24, "batch_size": 256, "pool": 512, "lr": 0.01, "dictionary": {"k": 4}}
        return TrainOptions(**{"model": str(model), "device": "cpu", **small, **size, **changed})

    return options


@pytest.fixture(scope="session")
def subject(options):
    return open_subject(options())


@pytest.fixture(autouse=True)
def every_test_elsewhere(elsewhere):
    """Run every test in a folder of its own."""


@pytest.fixture(scope="session")
def judged(trained):
    """Return the folder of the small run judged again on half its held-out text, and what the command printed."""
    out, _ = trained
    done = call("evaluate", out, "--eval-tokens", 512, "--json")
    assert done.code == 0, done.err
    return Path(done.data["run"]), done


@pytest.fixture(scope="session")
def looked_at(trained):
    """Return the folder of the small run's features, looked at on a little text, and what the command printed."""
    out, _ = trained
    done = call("features", out, "--tokens", 1500, "--feature", "3,0", "--json")
    assert done.code == 0, done.err
    return Path(done.data["run"]), done
