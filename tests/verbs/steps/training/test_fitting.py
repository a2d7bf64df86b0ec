"""A dictionary is fitted inside a run: its config, the loop's config, and what is written."""

import json

import pytest
import torch
from safetensors.torch import load_file

from mechlab.core.errors import ConfigError, UnknownName, UsageError
from mechlab.core.progress import SILENT
from mechlab.dictionaries import KINDS
from mechlab.dictionaries.layers import LayersConfig
from mechlab.dictionaries.saelens_format import from_saelens
from mechlab.store.writer import RunWriter
from mechlab.verbs.steps.opening import open_subject, training_rows
from mechlab.verbs.steps.training.fitting import dictionary_config, fit_in_run, new_stream, training_config
from mechlab.verbs.steps.training.run import identity_of


def test_the_kinds_config_has_the_sites_width_and_the_features_asked(options):
    config = dictionary_config(options(), widths_in=[16])
    assert (config.d_in, config.d_sae, config.k) == (16, 24, 4)


@pytest.mark.parametrize("key", ["d_in", "d_sae", "d_out"])
def test_a_width_is_no_option(options, key):
    with pytest.raises(ConfigError, match=f"'{key}'"):
        dictionary_config(options(dictionary={key: 8}), widths_in=[16])


@pytest.mark.parametrize(
    ("kind", "widths", "said"),
    [
        ("topk_crosscoder", ([16],), "needs several sites: 1"),
        ("topk_crosscoder", ([16, 64],), "sites of the layers differ in width: '16, 64'"),
        ("topk_crosscoder", ([16, 16], [16, 64]), "targets of the layers differ in width"),
        ("topk_crosscoder", ([16, 16], [16]), "2 read, 1 rebuilt"),
        ("topk_crosslayer_transcoder", ([16, 16],), "needs targets.*--site mlp"),
    ],
)
def test_sites_that_do_not_fit_several_layers_are_refused(options, kind, widths, said):
    with pytest.raises(UsageError, match=said):
        dictionary_config(options(kind=kind), *widths)


def test_the_number_of_layers_is_that_of_the_sites_and_no_option(options):
    config = dictionary_config(options(kind="topk_crosslayer_transcoder", dictionary={"k": 4}), [16] * 3, [8] * 3)
    assert (config.n_layers, config.d_in, config.d_out, config.d_sae) == (3, 48, 24, 24)
    with pytest.raises(ConfigError, match="'n_layers'"):
        dictionary_config(options(kind="topk_crosscoder", dictionary={"n_layers": 3}), [16] * 3)


def test_what_does_not_fit_is_refused(options):
    with pytest.raises(ConfigError, match="k is at most d_sae = 24"):
        dictionary_config(options(dictionary={"k": 25}), widths_in=[16])
    with pytest.raises(UnknownName, match="topk"):
        dictionary_config(options(kind="topkk"), widths_in=[16])


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
def test_every_kind_is_fitted_and_written_as_it_is_returned(options, tmp_path, kind):
    several = issubclass(KINDS[kind].Config, LayersConfig)
    few = {"k": 4} if "k" in KINDS[kind].Config.model_fields else {}
    own = options(kind=kind, dictionary=few, **({"site": "mlp"} if several else {}))
    subject = open_subject(own)
    with RunWriter(tmp_path / "out", identity_of(own, subject)) as writer:
        dictionary = fit_in_run(own, subject, training_rows(subject, SILENT), writer, SILENT)
        folder = writer.folder / "dictionary"
        cfg = json.loads((folder / "cfg.json").read_text())
        stored = load_file(folder / "sae_weights.safetensors")
        steps = [line["step"] for line in writer.read_log()]
    assert not dictionary.training
    hooks = ("blocks.0.ln2.hook_normalized,blocks.1.ln2.hook_normalized", "blocks.0.hook_mlp_out,blocks.1.hook_mlp_out")
    names = (cfg["metadata"]["hook_name"], cfg["metadata"].get("hook_name_out"))
    assert names == (hooks if several else ("blocks.0.hook_resid_post", None))
    assert cfg["metadata"]["dataset_path"] == "tales"
    read = from_saelens(cfg, stored)
    assert read.W_dec.shape == (24, 32 if several else 16)
    for name, value in dictionary.named_parameters():
        torch.testing.assert_close(read.get_parameter(name), value, msg=name)
    assert steps[-1] == 8


def test_a_feature_is_called_dead_after_a_tenth_of_a_short_run(options):
    assert training_config(options(tokens=2_000_000)).dead_after_tokens == 200_000
    assert training_config(options(tokens=50_000_000)).dead_after_tokens == 500_000
    assert training_config(options(tokens=2_000_000, training={"dead_after_tokens": 7})).dead_after_tokens == 7
