"""Runs side by side: what differs, and what can be told apart."""

import pytest

from mechlab.core.estimate import Estimate
from mechlab.store.comparison import compare
from mechlab.store.manifest import CorpusRecord, ModelRecord


def between(low, high, unit=""):
    return Estimate(value=(low + high) / 2, low=low, high=high, n=10, unit=unit)


def verdict(make_run, *values):
    runs = [
        make_run(f"run{seed}", {} if value is None else {"m": value}, seed=seed) for seed, value in enumerate(values)
    ]
    [row] = compare(runs).metrics
    assert row.values == values
    return row.verdict


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((between(0, 2), between(1, 3)), "not distinguishable"),
        ((between(0, 1), between(1, 2)), "not distinguishable"),
        ((between(0, 10), between(4, 5)), "not distinguishable"),
        ((between(0, 1), between(2, 3)), "distinguishable"),
        ((between(2, 3), between(0, 1)), "distinguishable"),
        ((between(0, 2), between(1, 3), between(5, 6)), "some distinguishable"),
        ((between(0, 1), between(2, 3), between(5, 6)), "distinguishable"),
        ((between(0, 1), 5.0), "no interval"),
        ((between(0, 1), None), "no interval"),
        ((1, 2), "no interval"),
        ((between(0, 1, "nats"), between(2, 3, "bits")), "not comparable"),
    ],
)
def test_overlapping_intervals_are_not_distinguishable(make_run, values, expected):
    assert verdict(make_run, *values) == expected


def test_only_the_settings_that_differ_are_listed(make_run):
    first = make_run("a")
    second = make_run("b", config={"k": 32, "train": {"lr": 0.001, "n_tokens": 1000}, "extra": {}}, seed=8)
    rows = {row.key: row.values for row in compare([first, second]).differences}
    assert rows == {"k": (16, 32), "seed": (3, 8), "extra": ("-", {})}


def test_nested_settings_have_dotted_keys(make_run):
    second = make_run("b", config={"k": 16, "train": {"lr": 0.002, "n_tokens": 1000}})
    rows = {row.key: row.values for row in compare([make_run("a"), second]).differences}
    assert rows == {"train.lr": (0.001, 0.002)}


def test_a_setting_called_model_does_not_hide_the_model(make_run):
    first = make_run("a", config={"model": "tales"})
    second = make_run("b", config={"model": "gpt2"}, model=ModelRecord(name="tiny", fingerprint="other"))
    rows = {row.key: row.values for row in compare([first, second]).differences}
    assert rows == {"model": ("tales", "gpt2"), "model.fingerprint": ("m" * 64, "other")}


def test_numbers_from_different_models_or_texts_are_noted(make_run):
    first = make_run("a")
    assert compare([first, make_run("b", seed=1)]).notes == ()
    other_text = make_run("c", corpus=CorpusRecord(name="words", fingerprint="x"))
    assert compare([first, other_text]).notes == ("The runs read different corpora.",)
    neither = make_run("d", model=None, corpus=None, kind="evaluate")
    assert len(compare([first, neither]).notes) == 3
