"""`mechlab demo`: the presets are a valid run of the built-in model, and the next steps can be typed."""

import shlex

import pytest
from small_run import call

from mechlab.core.config import build
from mechlab.models.loaders import load
from mechlab.models.sites import Site
from mechlab.store.run import open_run
from mechlab.verbs import demo
from mechlab.verbs.steps.training import run as train_run
from mechlab.verbs.steps.training.fitting import dictionary_config, training_config


@pytest.fixture
def asked(trained, monkeypatch):
    """Let the demo return the small run, and return the options it asked for."""
    found = []
    monkeypatch.setattr(train_run, "train_run", lambda options, progress: found.append(options) or open_run(trained[0]))
    return found


def test_it_asks_for_a_run_of_the_built_in_model_that_fits_it(asked, tmp_path):
    done = call("demo", "--out", tmp_path / "here", "--seed", 3, "--device", "cpu", "--json")
    assert done.code == 0, done.err
    (options,) = asked
    assert (options.model, options.seed, options.device, options.out) == ("tales", 3, "cpu", tmp_path / "here")
    assert options.resume
    spec = load("tales").spec
    assert Site.parse(options.site, spec).layer in range(spec.n_layers)
    assert options.row_length <= spec.n_ctx
    assert dictionary_config(options, [spec.d_model]).d_sae == options.features
    assert training_config(options).n_tokens == options.tokens


def test_the_next_steps_are_commands_that_parse(asked, trained, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    done = call("demo")
    lines = [line.strip() for line in done.out.splitlines() if line.startswith("  mechlab ")]
    assert len(lines) == 4
    assert f"mechlab show {trained[0]}" in lines
    for line in lines[:2]:
        assert call(*shlex.split(line)[1:]).code == 0
    assert call(*shlex.split(lines[3])[1:]).code == 0


def test_a_dry_run_says_the_cost_and_writes_nothing(tmp_path):
    done = call("demo", "--dry-run", "--json")
    assert done.code == 0, done.err
    options = demo._options(build(demo.Config, {}))
    assert (done.data["dry_run"], done.data["n_tokens"]) == (True, options.tokens)
    assert not list(tmp_path.iterdir())
