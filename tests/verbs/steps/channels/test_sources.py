"""Text and dictionary are opened only where asked for, and refused in one line where they do not fit."""

import pytest
from small_run import assert_refused, call, tiny_model

from mechlab.core.errors import UsageError
from mechlab.core.progress import SILENT
from mechlab.models.loaders import load
from mechlab.verbs.channel_options import ChannelOptions
from mechlab.verbs.steps.channels import sources as channel_sources
from mechlab.verbs.steps.channels.sources import labelled_rows, open_sources


@pytest.fixture(scope="module")
def loaded(model):
    return load(str(model), device="cpu")


def test_nothing_is_opened_unasked_and_a_built_in_model_brings_its_own_text(loaded):
    assert open_sources(ChannelOptions(), loaded) is None
    own = open_sources(ChannelOptions(carries=True), loaded)
    assert own.corpus.name == "tales" and own.features is None and own.record.name == "tales"
    none = open_sources(ChannelOptions(model="elsewhere", carries=True), loaded)
    assert none.corpus is None and none.record is None


def test_rows_are_as_long_as_the_context_allows_and_depend_on_the_seed(loaded):
    rows = [
        labelled_rows(one, loaded, open_sources(one, loaded).corpus, SILENT)
        for one in (ChannelOptions(carries=True, tokens=500), ChannelOptions(carries=True, tokens=500, seed=1))
    ]
    assert rows[0].row_length == 64 and rows[0].n_tokens == 512
    assert rows[0].fingerprint != rows[1].fingerprint


@pytest.mark.parametrize(
    ("site", "target", "sides"),
    [
        ("resid_post.0", None, (True, True)),
        ("mlp.0", None, (True, True)),
        ("mlp_post.0", None, None),
        ("resid_post.0,resid_post.1", None, None),
        ("mlp_post.0", "mlp_out.0", (False, True)),
        ("resid_pre.1", "mlp_post.1", (True, False)),
    ],
)
def test_sides_that_are_vectors_of_the_stream_are_told_from_others(loaded, trained, monkeypatch, site, target, sides):
    real = channel_sources.find_run(str(trained[0]), trained[0])
    config = {**real.manifest.config, "site": site, **({} if target is None else {"target": target})}
    changed = type(real)(real.folder, real.manifest.model_copy(update={"config": config}))
    monkeypatch.setattr(channel_sources, "find_run", lambda *_: changed)
    asked = ChannelOptions(carries=True, dictionary="RUN")
    if sides is None:
        with pytest.raises(UsageError, match="neither reads nor writes the residual stream"):
            open_sources(asked, loaded)
    else:
        found = open_sources(asked, loaded).features
        assert (found.reads, found.writes) == sides


def test_what_does_not_fit_is_one_line_and_leaves_nothing(model, trained, tmp_path):
    plain = tmp_path / "plain.txt"
    plain.write_text("It was winter. " * 50)
    other = tiny_model(tmp_path / "other_model", seed=5)
    out = tmp_path / "run"
    cases = [
        (("--corpus", "tales"), "Add --carries"),
        (("--dictionary", trained[0]), "Add --carries"),
        (("--carries", "--corpus", plain), "no labels"),
        (("--carries", "--corpus", "nothing"), "no such corpus"),
        (("--carries", "--dictionary", "12345678"), "unknown run"),
        (("--carries", "--tokens", 0), "tokens"),
    ]
    for options, said in cases:
        assert_refused(call("channels", "--model", model, *options, "--out", out), out, said)
    asked = call("channels", "--model", other, "--carries", "--dictionary", trained[0], "--out", out)
    assert_refused(asked, out, "dictionary is of another model")
    made = call("channels", "--model", model, "--out", tmp_path / "channels")
    assert made.code == 0
    wrong = call("channels", "--model", model, "--carries", "--dictionary", tmp_path / "channels", "--out", out)
    assert_refused(wrong, out, "run has no dictionary")
