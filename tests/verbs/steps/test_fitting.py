"""A dictionary is fitted inside a run: its config, the loop's config, and what is written."""

import json

import pytest
import torch
from safetensors.torch import load_file

from mechlab.core.errors import ConfigError, UnknownName
from mechlab.core.progress import SILENT
from mechlab.dictionaries import KINDS
from mechlab.dictionaries.saelens_format import from_saelens
from mechlab.store.writer import RunWriter
from mechlab.verbs.steps.fitting import dictionary_config, fit_in_run, new_stream, training_config
from mechlab.verbs.steps.opening import training_rows
from mechlab.verbs.steps.train_run import identity_of


def test_the_kinds_config_has_the_sites_width_and_the_features_asked(options):
    config = dictionary_config(options(), d_in=16)
    assert (config.d_in, config.d_sae, config.k) == (16, 24, 4)


@pytest.mark.parametrize("key", ["d_in", "d_sae", "d_out"])
def test_a_width_is_no_option(options, key):
    with pytest.raises(ConfigError, match=f"'{key}'"):
        dictionary_config(options(dictionary={key: 8}), d_in=16)


def test_what_does_not_fit_is_refused(options):
    with pytest.raises(ConfigError, match="k is at most d_sae = 24"):
        dictionary_config(options(dictionary={"k": 25}), d_in=16)
    with pytest.raises(UnknownName, match="topk"):
        dictionary_config(options(kind="topkk"), d_in=16)


def test_the_loops_own_keys_win_over_the_short_options(options):
    config = training_config(options(training={"lr": 0.5, "n_tokens": 512}))
    assert (config.lr, config.n_tokens, config.batch_size, config.checkpoint_every_steps) == (0.5, 512, 256, 200)
    assert training_config(options()).n_tokens == 2048
    assert training_config(options(lr=None, features=512)).lr == pytest.approx(2e-3)
    assert training_config(options(lr=None, features=8192)).lr == pytest.approx(5e-4)
    assert training_config(options(lr=0.25)).lr == 0.25
    assert training_config(options(tokens=100)).batch_size == 100


def test_the_stream_serves_every_step_a_batch(options, subject):
    stream = new_stream(options(), subject, training_rows(subject, SILENT))
    assert stream.d_in == 16
    assert stream.next().shape == (256, 16)


@pytest.mark.parametrize("kind", list(KINDS))
def test_every_kind_is_fitted_and_written_as_it_is_returned(options, subject, tmp_path, kind):
    own = options(kind=kind, dictionary={"k": 4} if "k" in KINDS[kind].Config.model_fields else {})
    with RunWriter(tmp_path / "out", identity_of(own, subject)) as writer:
        dictionary = fit_in_run(own, subject, training_rows(subject, SILENT), writer, SILENT)
        folder = writer.folder / "dictionary"
        cfg = json.loads((folder / "cfg.json").read_text())
        stored = load_file(folder / "sae_weights.safetensors")
        steps = [line["step"] for line in writer.read_log()]
    assert not dictionary.training
    assert cfg["metadata"]["hook_name"] == "blocks.0.hook_resid_post"
    assert cfg["metadata"]["dataset_path"] == "tales"
    read = from_saelens(cfg, stored)
    assert read.W_dec.shape == (24, 16)
    for name, value in dictionary.named_parameters():
        torch.testing.assert_close(read.get_parameter(name), value, msg=name)
    assert steps[-1] == 8


def test_a_feature_is_called_dead_after_a_tenth_of_a_short_run(options):
    assert training_config(options(tokens=2_000_000)).dead_after_tokens == 200_000
    assert training_config(options(tokens=50_000_000)).dead_after_tokens == 500_000
    assert training_config(options(tokens=2_000_000, training={"dead_after_tokens": 7})).dead_after_tokens == 7
