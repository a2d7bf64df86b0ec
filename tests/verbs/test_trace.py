"""`mechlab trace`: a run with the whole graph, whose rows add up; what does not fit is one line and leaves nothing."""

import json

import pytest
import torch
from small_run import TEXT, assert_refused, call, contents

from mechlab.models.loaders import load
from mechlab.store.run import open_run
from mechlab.verbs.steps.tracing.list import stored_graph

PROMPT = "It was winter. The children spoke of the"


@pytest.fixture(scope="module")
def trace(model, transcoders):
    """Return a call of the command with the tiny model's transcoders."""

    def trace(out, *more, prompt=PROMPT):
        told = ("--model", model, "--dictionaries", ",".join(map(str, transcoders)))
        return call("trace", prompt, *told, "--out", out, *more)

    return trace


def test_every_row_of_the_run_adds_up_to_what_its_node_was(model, trace, tmp_path):
    done = trace(tmp_path / "run", "--target", "snow,pumpkin", "--json")
    assert done.code == 0, done.err
    whole = stored_graph(open_run(tmp_path / "run"))
    own = load(str(model), device="cpu")
    logits = own.logits(own.to_tokens(PROMPT))[0, -1].detach()
    for place, word in zip(whole.places("target"), ("snow", "pumpkin"), strict=True):
        token = int(own.to_tokens(word, bos=False)[0, 0])
        assert whole.texts["name"][place] == f"logit.{token} {word}"
        value = float(whole.numbers["value"][place])
        assert value == pytest.approx(float(logits[token] - logits.mean()), abs=1e-4)
        effects = sum(edge.effect for edge in whole.into(place))
        assert effects + float(whole.numbers["bias"][place]) == pytest.approx(value, abs=1e-4)
    assert done.data["largest_miss"] < 1e-4 and done.data["n_features_traced"] == done.data["n_features_on"] > 0


def test_it_says_what_acts_most_and_where_graph_and_page_are(trace, tmp_path):
    done = trace(tmp_path / "run", "--target", "snow", "--top", 3, "--json").data
    (target,) = done["targets"]
    sizes = [abs(one["effect"]) for one in target["effects"]]
    assert len(sizes) == 3 and sizes == sorted(sizes, reverse=True)
    graph = json.loads((tmp_path / "run" / "graph.json").read_text())
    assert graph["metadata"]["prompt"].replace(" ", "").endswith("spokeofthe")
    assert {node["feature_type"] for node in graph["nodes"]} >= {"logit", "embedding"}
    page = (tmp_path / "run" / "report.html").read_text()
    assert page.startswith("<!doctype html>") and "http://" not in page.replace("http://www.w3.org", "")
    shown = trace(tmp_path / "run", "--target", "snow", "--top", 3)
    assert all(one["source"] in shown.out for one in target["effects"]) and "report.html" in shown.out


def test_left_out_targets_are_the_likeliest_by_their_probability(model, trace, tmp_path):
    done = trace(tmp_path / "run", "--json").data
    own = load(str(model), device="cpu")
    probabilities = own.logits(own.to_tokens(PROMPT))[0, -1].detach().softmax(-1)
    found = [int(one["name"].split()[0].split(".")[1]) for one in done["targets"]]
    assert found == probabilities.topk(10).indices.tolist()
    weights = torch.tensor([one["weight"] for one in done["targets"]])
    torch.testing.assert_close(weights, probabilities[found] / probabilities[found].sum())


def test_one_set_of_tokens_against_another_is_one_target(model, trace, tmp_path):
    more = ("--target", "snow,#5", "--against", "pumpkin", "--position", 3)
    (target,) = trace(tmp_path / "run", *more, "--json").data["targets"]
    own = load(str(model), device="cpu")
    snow, pumpkin = (int(own.to_tokens(word, bos=False)[0, 0]) for word in ("snow", "pumpkin"))
    logits = own.logits(own.to_tokens(PROMPT))[0, 3].detach()
    assert target["value"] == pytest.approx(float((logits[snow] + logits[5]) / 2 - logits[pumpkin]), abs=1e-4)
    assert "less" in target["name"]


def test_fewer_features_are_traced_where_asked_and_the_same_call_gives_the_same_bytes(trace, tmp_path):
    more = ("--target", "snow", "--max-features", 5)
    first, again = (trace(tmp_path / name, *more, "--json").data for name in ("one", "two"))
    assert first["n_features_traced"] == 5 < first["n_features_on"] and first["id"] == again["id"]
    one, two = (contents(tmp_path / name) for name in ("one", "two"))
    assert {name: one[name] for name in one if name != "run.json"} == {n: two[n] for n in two if n != "run.json"}
    assert "already there" in trace(tmp_path / "one", *more).err
    other = trace(tmp_path / "one", "--target", "pumpkin")
    assert other.code == 2 and "another config" in other.err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--target", "xyzzy"), ("not one token", "xyzzy")),
        (("--target", "snow pumpkin"), ("not one token", "snow pumpkin")),
        (("--target", "#99999"), ("no such token", "#99999")),
        (("--against", "snow"), ("targets are missing", "--target")),
        (("--target", "snow", "--position", "40"), ("no such position", "40")),
        (("--nodes", "0"), ("nodes",)),
    ],
)
def test_what_does_not_fit_is_one_line_and_leaves_nothing(trace, tmp_path, options, said):
    assert_refused(trace(tmp_path / "run", *options), tmp_path / "run", *said)


def test_a_prompt_longer_than_the_context_is_one_line(trace, tmp_path):
    done = trace(tmp_path / "run", prompt="It was winter. " * 40)
    assert_refused(done, tmp_path / "run", "longer than the model's context")


def test_missing_layers_and_transcoders_of_another_model_are_one_line(model, transcoders, tmp_path):
    told = ("trace", PROMPT, "--dictionaries")
    alone = call(*told, transcoders[0], "--model", model, "--out", tmp_path / "run")
    assert_refused(alone, tmp_path / "run", "layers have no transcoder", 1)
    other = call(*told, ",".join(map(str, transcoders)), "--model", "tales", "--out", tmp_path / "run")
    assert_refused(other, tmp_path / "run", "of another model", code=2)


def test_a_sweep_is_as_good_as_its_members_and_two_for_a_layer_are_refused(model, tmp_path):
    size = ("--features", 24, "--batch-size", 256, "--pool", 512, "--lr", 0.01, "--k", 4)
    sites = ("--sites", "mlp.0,mlp.1", "--seeds", "0,1", "--out", tmp_path / "grid", "--json")
    assert call("sweep", "topk", "--model", model, *TEXT, *size, *sites).code == 0
    told = ("trace", PROMPT, "--model", model, "--target", "snow", "--json", "--dictionaries")
    twice = call(*told, tmp_path / "grid", "--out", tmp_path / "run")
    assert_refused(twice, tmp_path / "run", "two transcoders")
    assert call("sweep", "topk", "--model", model, *TEXT, *size, *sites[:2], "--out", tmp_path / "one").code == 0
    members = ",".join(str(path.parent) for path in sorted((tmp_path / "one").glob("*/run.json")))
    whole, each = (
        call(*told, paths, "--out", tmp_path / name) for name, paths in (("w", tmp_path / "one"), ("e", members))
    )
    assert whole.code == 0 and whole.data["id"] == each.data["id"] and members.count(",") == 1


def test_a_traced_run_is_shown_with_what_acts_most(trace, tmp_path):
    made = trace(tmp_path / "run", "--target", "snow", "--json").data
    shown = call("show", tmp_path / "run", "--json").data
    assert shown["targets"][0]["name"] == made["targets"][0]["name"]
    assert shown["targets"][0]["effects"] == made["targets"][0]["effects"][:10]
