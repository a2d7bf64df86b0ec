"""`mechlab observe`: lengths and effects are the library's; what does not fit is one line and leaves nothing."""

import pytest
import torch
from small_run import assert_refused, call, contents

import mechlab
from mechlab.store.run import open_run

ON_PROMPTS = ("--task", "ioi", "--prompts", 12, "--style", "tales", "--draws", 8, "--beam", 3, "--paths", 4)


@pytest.fixture
def observe(model, tmp_path):
    """Return a call of the command with the tiny model."""

    def observe(*words, out="run"):
        return call("observe", *words, "--model", model, "--out", tmp_path / out)

    return observe


@pytest.fixture(scope="module")
def own(model):
    return mechlab.load(str(model), device="cpu")


@pytest.mark.parametrize("norms", ["cheap", "skip"])
def test_heads_are_ranked_by_the_librarys_lengths(observe, own, norms):
    done = observe("she", "--against", "he", "--norms", norms, "--json")
    assert done.code == 0, done.err
    wanted = mechlab.head_lengths(
        own, mechlab.word_difference(own.tokenizer, "she", "he"), mechlab.NormRules.all(norms)
    )
    heads = done.data["heads"]
    assert {(one["layer"], one["head"]): one["length"] for one in heads} == pytest.approx(
        {(layer, head): float(wanted[layer, head]) for layer in range(2) for head in range(2)}
    )
    lengths = [one["length"] for one in heads]
    assert lengths == sorted(lengths, reverse=True) and done.data["observable"] == "' she' - ' he'"
    assert "paths" not in done.data and "spearman" not in done.data and "effect" not in heads[0]


def test_the_first_heads_tokens_are_those_of_the_largest_reads(observe, own):
    done = observe("she", "--against", "he", "--readers", 2, "--json").data
    observable = mechlab.word_difference(own.tokenizer, "she", "he")
    assert len(done["reads"]) == 2
    for one in done["reads"]:
        layer, head = map(int, one["head"].split("."))
        scores = mechlab.token_reads(own, observable, layer)[head]
        assert [row["token"] for row in one["most"]] == scores.topk(20).indices.tolist()
        assert [row["token"] for row in one["least"]] == (-scores).topk(20).indices.tolist()
        assert one["most"][0]["score"] == pytest.approx(float(scores.max()), rel=1e-5)
        assert one["least"][0]["text"] == own.tokenizer.token_string(int(scores.argmin()))


def test_on_prompts_effects_are_those_of_ov_patching_with_a_null_beside(observe, own):
    done = observe("she", "--against", "he", *ON_PROMPTS, "--json")
    assert done.code == 0, done.err
    pairs = mechlab.prompt_pairs(own.tokenizer, "ioi", n=12, seed=0, style="tales")
    scores = mechlab.ov_patching(own, pairs, mechlab.word_difference(own.tokenizer, "she", "he")).real
    for one in done.data["heads"]:
        values = scores.values[:, 2 * one["layer"] + one["head"]]
        assert (one["effect"], one["size"]) == pytest.approx((float(values.mean()), float(values.abs().mean())))
        assert one["low"] <= one["effect"] <= one["high"]
    found = done.data["estimates"]
    assert found["spearman"]["n"] == done.data["n_prompts"] == 12 and found["random_spearman"]["n"] == 8
    assert done.data["random_p"] in [pytest.approx(n / 9) for n in range(1, 10)]
    assert found["observable_clean"]["unit"] == "nats"


def test_what_is_the_same_is_found_again_however_it_was_typed(observe, own, tmp_path):
    token = int(own.to_tokens("he", bos=False)[0, 0])
    first = observe("she,her", "--against", "he", *ON_PROMPTS, "--json")
    again = observe("her,she", "--against", f"#{token}", *ON_PROMPTS, "--top", 2, "--json")
    assert "already there" in again.err and first.data["id"] == again.data["id"] and len(again.data["heads"]) == 2
    assert observe("she,her", "--against", "he", *ON_PROMPTS, out="two").code == 0
    one, two = (contents(tmp_path / name) for name in ("run", "two"))
    assert {name: one[name] for name in one if name != "run.json"} == {n: two[n] for n in two if n != "run.json"}
    assert {"heads.arrow", "reads.arrow", "paths.json"} <= set(one) and not open_run(tmp_path / "run").verify()
    other = observe("she", "--against", "he", *ON_PROMPTS)
    assert other.code == 2 and "another config" in other.err


def test_a_pattern_counts_every_token_that_fits(observe):
    by_words, by_pattern = (
        observe(*words, "--combine", "sum", "--json", out=out).data
        for out, *words in (
            ("words", "she,her", "--against", "he"),
            ("pattern", " ?(she|her)", "--against", " ?he", "--regex"),
        )
    )
    assert by_words["id"] == by_pattern["id"] and by_words["observable"] == "' her', ' she' - ' he'"
    mean = observe("she,her", "--against", "he", "--json", out="mean").data
    assert mean["id"] != by_words["id"]


def test_it_is_shown_and_listed_like_any_run(observe, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    made = observe("she", "--against", "he", *ON_PROMPTS, "--json").data
    shown = call("show", tmp_path / "run", "--json").data
    assert shown["heads"] == made["heads"] and shown["paths"] == made["paths"] and shown["reads"] == made["reads"]
    printed = call("show", tmp_path / "run").out
    assert "tokens that heads read it from" in printed and "paths that bring most" in printed
    listed = call("runs", "list", tmp_path, "--json").data["runs"]
    assert [(one["kind"], one["state"]) for one in listed] == [("observe", "finished")]


def test_people_get_tables(observe, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    done = observe("she", "--against", "he", *ON_PROMPTS)
    assert done.code == 0 and "{" not in done.out
    for said in ("length", "mean size", "most", "least", "Spearman", "random observables", "alike", "logits"):
        assert said in done.out, said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("she her",), ("word is several tokens", "she her")),
        (("xyzzy",), ("not in the vocabulary", "xyzzy")),
        (("she", "--against", "xyzzy"), ("not in the vocabulary", "xyzzy")),
        (("she,she",), ("set of tokens is not one",)),
        (("she", "--against", "she"), ("counts no logit",)),
        (("#99999",), ("no such token", "99999")),
        (("(she", "--regex"), ("pattern of tokens is not understood",)),
        (("xyz+y", "--regex"), ("no token fits the pattern",)),
        (("she", "--task", "iio"), ("unknown prompt-pair task", "ioi")),
        (("she", "--task", "greater_than", "--corruption", "abc"), ("corruption",)),
        (("she", "--corruption", "abc"), ("no prompts to corrupt", "--task")),
        (("she", "--norms", "exact"), ("norms", "'cheap'")),
        (("she", "--prompts", "3"), ("prompts",)),
    ],
)
def test_what_does_not_fit_is_one_line_and_leaves_nothing(observe, tmp_path, words, said):
    assert_refused(observe(*words), tmp_path / "run", *said)


def test_a_model_without_a_tokenizer_and_a_taken_folder_are_one_line(observe, model, tmp_path):
    bare = tmp_path / "bare"
    bare.mkdir()
    for name in ("config.json", "model.safetensors"):
        (bare / name).write_bytes((model / name).read_bytes())
    done = call("observe", "she", "--model", bare, "--out", tmp_path / "run")
    assert_refused(done, tmp_path / "run", "words need a tokenizer")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "notes.txt").write_text("mine")
    taken = observe("she")
    assert taken.code == 2 and "is not a run" in taken.line


def test_lengths_do_not_know_the_seed_but_prompts_do(observe):
    alone = [observe("she", "--seed", seed, "--json", out=f"alone{seed}").data["id"] for seed in (0, 1)]
    asked = [observe("she", *ON_PROMPTS, "--seed", seed, "--json", out=f"on{seed}").data["id"] for seed in (0, 1)]
    assert alone[0] == alone[1] and asked[0] != asked[1]
    assert torch.tensor([len(one) for one in asked]).eq(16).all()
