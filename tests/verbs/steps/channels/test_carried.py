"""What channels carry is what the library finds for them; it is kept in the run and read back without the model."""

import json

import pytest
from small_run import call

from mechlab.circuits.channels.channel_map import channel_map
from mechlab.circuits.channels.ends import channel_ends, token_ends
from mechlab.circuits.channels.projections import projections
from mechlab.core.errors import ArtifactError
from mechlab.corpora.opening import open_corpus
from mechlab.corpora.rows import pack
from mechlab.metrics.race import auc, row_sums
from mechlab.models.loaders import load
from mechlab.models.processing import processed
from mechlab.store.run import open_run
from mechlab.verbs.steps.channels.carried import stored_carried
from mechlab.verbs.steps.stored import stored_dictionary

TEXT = ("--corpus", "tales", "--tokens", "6000")


@pytest.fixture(scope="module")
def made(model, trained, tmp_path_factory):
    out = tmp_path_factory.mktemp("carried") / "run"
    done = call("channels", "--model", model, "--carries", *TEXT, "--dictionary", trained[0], "--top", 2, "--out", out)
    assert done.code == 0, done.err
    return open_run(out), done


@pytest.fixture(scope="module")
def folded(model):
    return processed(load(str(model), device="cpu"))


def test_tokens_are_those_at_the_ends_of_the_channels_listed(made, folded):
    data, found = stored_carried(made[0]), channel_map(folded)
    listed = found.channels(2)
    assert [one.name for one in data.channels] == [one.name for one in listed]
    for told, channel in zip(data.channels, listed, strict=True):
        ends = token_ends(found.circuits, folded.weights(), channel)
        names = [row.name for row in told.tokens]
        assert names[:2] == ["sender reads", "sender raises"] and len(names) == 3
        for row, alignment in zip(told.tokens, (ends.read, ends.write, ends.onward), strict=True):
            wanted = folded.tokenizer.token_string(int(alignment.parts.argmax()))
            assert row.most[0].name == wanted and row.most[0].part == pytest.approx(float(alignment.parts.max()))
            assert row.least[0].part == pytest.approx(float(alignment.parts.min()))
            assert (row.p_largest, row.p_drawn) == pytest.approx((alignment.p_largest, alignment.p_drawn))
            assert row.largest_z == pytest.approx(float(alignment.z.abs().max()))


def test_causes_are_scored_on_what_the_sender_writes_along_its_component(made, folded):
    data, found = stored_carried(made[0]), channel_map(folded)
    channel, told = found.channels(1)[0], data.channels[0]
    text = pack(open_corpus("tales"), folded.tokenizer, row_length=64, n_tokens=6000)
    write = channel_ends(found.circuits, channel).write
    (amounts,) = projections(folded, text, [channel.sender], write[None])
    assert told.causes and data.n_directions == 20 and 0 < data.n_classes <= 70
    assert data.text == f"{int((~text.special).sum()):,} tokens of tales"
    kept = ~text.special[1::2]
    for cause in told.causes:
        label, value = cause.name.split("=")
        positive = text.labels[label][1::2][kept] == text.label_names[label].index(value)
        values = amounts[1::2][kept]
        sums = row_sums(positive, values if cause.reading == "amount" else values.abs(), positive).sum(0, keepdim=True)
        assert cause.auc.value == pytest.approx(float(auc(sums)[0])) and cause.n_positives == int(positive.sum())


def test_features_are_the_dictionary_s_along_each_end(made, folded, trained):
    data, found = stored_carried(made[0]), channel_map(folded)
    dictionary, ends = stored_dictionary(open_run(trained[0])), channel_ends(found.circuits, found.channels(1)[0])
    rows = data.channels[0].features
    assert [row.name.split()[-1] for row in rows] == ["reads", "like", "it", "hears"]
    sides = (dictionary.W_dec, dictionary.W_dec, dictionary.W_enc.T, dictionary.W_dec)
    for row, vectors, end in zip(rows, sides, (ends.read, ends.write, ends.write, ends.heard), strict=True):
        own = vectors.detach().double() - vectors.detach().double().mean(1, keepdim=True)
        z = own @ end / own.norm(dim=1) * found.circuits.d_stream**0.5
        first = int(z.abs().argmax())
        assert row.most[0].name == str(first) and row.most[0].z == pytest.approx(float(z[first]))
        assert row.n == 24 and not row.least
    assert str(trained[1].data["id"]) in data.dictionary and "resid_post.0" in data.dictionary


def test_it_is_read_back_without_the_model_and_refused_where_it_was_changed(made, model, tmp_path):
    run, done = made
    assert "carries" in done.out and stored_carried(run).channels[0].name in done.out
    assert not run.verify() and "What the best channels carry" in (run.folder / "report.html").read_text()
    plain = call("channels", "--model", model, "--out", tmp_path / "plain")
    assert plain.code == 0 and stored_carried(open_run(tmp_path / "plain")) is None
    assert "What the best channels carry" not in (tmp_path / "plain" / "report.html").read_text()
    other = call("channels", "--model", model, "--carries", "--top", 1, "--out", tmp_path / "other")
    assert other.code == 0
    path = tmp_path / "other" / "carried.json"
    values = json.loads(path.read_text())
    assert values["channels"][0]["causes"] == [] and values["text"] == ""  # a model without a text of its own
    path.write_text(path.read_text().replace("sender", "sander"))
    with pytest.raises(ArtifactError, match="run is damaged"):
        stored_carried(open_run(tmp_path / "other"))
