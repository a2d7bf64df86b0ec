"""`mechlab train codebook`: what it prints and writes, and what it refuses."""

import pytest
from small_codebooks import train
from small_run import assert_refused, call, contents


def test_it_prints_the_loss_beside_that_of_the_unmodified_model_and_of_codes_drawn_at_random(with_codebooks):
    _, done = with_codebooks
    estimates = done.data["estimates"]
    assert done.data["kind"] == "train codebook" and done.data["n_tokens"] > 900
    names = ("ce_loss", "ce_loss_ratio", "unmodified.ce_loss", "untrained.ce_loss")
    assert all({"value", "low", "high", "n"} <= estimates[name].keys() for name in names)
    ratio = estimates["ce_loss"]["value"] / estimates["unmodified.ce_loss"]["value"]
    assert estimates["ce_loss_ratio"]["value"] == pytest.approx(ratio)


def test_its_files_are_whole_and_no_pickles(with_codebooks):
    out, _ = with_codebooks
    names = contents(out).keys()
    assert {"run.json", "metrics.jsonl", "model/config.json", "model/codebooks.json"} <= set(names)
    assert {"model/model.safetensors", "model/codebooks.safetensors", "model/tokenizer.json"} <= set(names)
    assert not [name for name in names if name.endswith((".bin", ".pt", ".pkl"))]
    assert call("runs", "verify", out).code == 0


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--k", "21"), ("CodebookConfig.k is not valid: 21", "at most n_codes = 20")),
        (("--groups", "3"), ("n_groups is not valid: 3", "divide the width, 16")),
        (("--sites", "nowhere"), ("no such site: 'nowhere'",)),
        (("--sites", "mlp_out,mlp_out.1"), ("site is there twice: 'mlp_out.1'",)),
        (("--tokens", "100"), ("too few tokens for one step: 100",)),
        (("-s", "training.colour=red"), ("FinetuneConfig has no key: 'colour'",)),
        (("--combine", "product"), ("combine is not valid: 'product'",)),
    ],
)
def test_what_cannot_be_is_refused_in_one_line_and_nothing_is_left(model, tmp_path, more, said):
    assert_refused(train(model, tmp_path / "out", *more), tmp_path / "out", *said)


def test_its_table_has_the_loss_beside_both_controls(with_codebooks):
    out, _ = with_codebooks
    shown = call("show", out, "--quiet")
    assert shown.code == 0
    text = " ".join(shown.out.split())
    assert "ce_loss" in text and "ce_loss_ratio" in text and "untrained" in text and "unmodified" in text
