"""`mechlab patch`: scores of a task's edges, nodes or path, and how faithful circuits of the best are."""

import pytest
from small_run import assert_refused, call

from mechlab.store.run import open_run

SMALL = ("--style", "tales", "--prompts", 8, "--draws", 2)


def test_edges_are_listed_with_their_curve_and_the_run_is_found_again(model, tmp_path):
    given = (
        "patch",
        "ioi",
        "--model",
        model,
        *SMALL,
        "--corruption",
        "abc",
        "--steps",
        2,
        "--top",
        4,
        "--out",
        tmp_path / "run",
    )
    done = call(*given, "--json")
    assert done.code == 0, done.err
    parts, curve = done.data["parts"], done.data["faithfulness"]
    assert len(parts) == 4 and all(one["low"] <= one["score"] <= one["high"] for one in parts)
    assert [abs(one["score"]) for one in parts] == sorted((abs(one["score"]) for one in parts), reverse=True)
    assert curve["of"] == "edges" and curve["sizes"][-1] == done.data["n_parts"] == 46
    assert curve["f"][-1] == pytest.approx(1, abs=1e-4) and curve["f"][0] == 0 and len(curve["random"]) == 2
    assert done.data["n_scored_on"] + done.data["n_judged_on"] == 8 and "random_cpr" in done.data
    assert not open_run(tmp_path / "run").verify()
    again = call(*given)
    assert "already there" in again.err and parts[0]["name"] in again.out and "faithfulness" in again.out


@pytest.mark.parametrize("method", ["activation", "attribution"])
def test_nodes_make_circuits_of_nodes_unless_they_are_scored_in_part(model, tmp_path, method):
    given = ("patch", "ioi", "--model", model, *SMALL, "--method", method, "--json")
    whole = call(*given, "--out", tmp_path / "whole")
    assert whole.code == 0, whole.err
    assert whole.data["faithfulness"]["of"] == "nodes" and whole.data["faithfulness"]["sizes"][-1] == 6
    part = call(*given, "--kinds", "resid_pre,attn_out", "--at", "S2,END", "--out", tmp_path / "part").data
    assert "faithfulness" not in part and part["n_parts"] == 8 and "cpr" not in part
    assert {one["name"].split("@")[1] for one in part["parts"]} == {"S2", "END"}


def test_a_path_is_one_score(model, tmp_path):
    path = "input,head.0.1.v,head.1.0.k,logits"
    done = call(
        "patch",
        "ioi",
        "--model",
        model,
        *SMALL,
        "--method",
        "path",
        "--path",
        path,
        "--out",
        tmp_path / "run",
        "--json",
    )
    assert done.code == 0, done.err
    (only,) = done.data["parts"]
    assert only["name"] == path.replace(",", " -> ") and "faithfulness" not in done.data


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("iio",), ("unknown prompt-pair task", "ioi")),
        (("ioi", "--method", "eap-gi"), ("unknown patching method", "eap-ig")),
        (("ioi", "--prompts", 2), ("prompts",)),
        (("greater_than", "--corruption", "abc"), ("corruption",)),
        (("ioi", "--method", "path"), ("path and method do not fit",)),
        (("ioi", "--path", "input,logits"), ("path and method do not fit",)),
        (("ioi", "--method", "path", "--path", "input,head.9.9.q"), ("no such reader", "head.9.9.q")),
        (("ioi", "--method", "activation", "--at", "S7"), ("no such role", "S7")),
        (("ioi", "--model", "nobody"), ("nobody",)),
    ],
)
def test_what_does_not_fit_is_one_line_and_leaves_nothing(model, tmp_path, words, said):
    own = () if "--model" in words else ("--model", model)
    size = () if "--prompts" in words else ("--prompts", 8)
    done = call("patch", *words, *own, *size, "--style", "tales", "--out", tmp_path / "run")
    assert_refused(done, tmp_path / "run", *said)


def test_a_model_without_a_tokenizer_is_one_line(model, tmp_path):
    bare = tmp_path / "bare"
    bare.mkdir()
    for name in ("config.json", "model.safetensors"):
        (bare / name).write_bytes((model / name).read_bytes())
    done = call("patch", "ioi", "--model", bare, "--out", tmp_path / "run")
    assert_refused(done, tmp_path / "run", "prompts need a tokenizer")
