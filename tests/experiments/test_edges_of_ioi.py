"""Experiment 012 compares scores as it says, on a tiny random model; a score that is the exact one agrees with it."""

from dataclasses import replace

import pytest
import torch
from circuits.asked_pairs import random_pairs
from experiment_pieces import pieces_of
from oracles.tiny_models import tiny

from mechlab.models.huggingface import HuggingFaceModel

SETTINGS = {"steps": 2, "draws": 2, "rounds": 1}


@pytest.fixture(scope="module")
def pieces():
    with pieces_of("012_edges_of_ioi", "scoring", "judging") as found:
        yield found


@pytest.fixture(scope="module")
def asked():
    return HuggingFaceModel(tiny("gpt2")), [random_pairs(4)]


@pytest.fixture(scope="module")
def scores(pieces, asked):
    return pieces.scoring.scored(*asked, SETTINGS)


def test_exact_scores_agree_with_themselves_and_turned_ones_by_size_alone(pieces, scores):
    exact = scores["exact"]
    same = pieces.scoring.agreement(exact, exact, 20)
    turned = pieces.scoring.agreement(replace(exact, values=-exact.values), exact, 20)
    assert same["spearman of sizes"] == pytest.approx([1, 1, 1]) and same["spearman, signed"] == pytest.approx(
        [1, 1, 1]
    )
    assert turned["spearman of sizes"] == pytest.approx([1, 1, 1]) and turned["spearman, signed"][0] == pytest.approx(
        -1
    )
    assert same["spearman of sizes, shuffled, largest"] < 0.3
    cheap = pieces.scoring.agreement(scores["eap"], exact, 20)["spearman of sizes"]
    assert cheap[1] <= cheap[0] <= cheap[2] < 1 and cheap[0] > 0.5


def test_circuits_are_judged_by_every_way_beside_random_ones(pieces, asked, scores):
    found = pieces.judging.judged(*asked, scores, SETTINGS["draws"])
    assert found["n_edges"][-1] == 262 and len(found["random"]["cpr"]) == 2
    for way in pieces.judging.WAYS:
        rows = found[way]
        assert all(row["f"][0] == 0 and row["f"][-1] == pytest.approx(1, abs=1e-4) for row in list(rows.values())[:-1])
        between = rows["eap-ig"]["cpr"][0] - rows["eap"]["cpr"][0]
        assert rows["eap-ig less eap"]["cpr"][0] == pytest.approx(between, abs=1e-9)
        assert rows["eap"]["cmd"][1] <= rows["eap"]["cmd"][0] <= rows["eap"]["cmd"][2]


def test_strongest_edges_and_times_are_named(pieces, asked, scores):
    named = pieces.scoring.strongest(scores["eap"], 3)
    assert len(named) == 3 and max(map(abs, named.values())) == pytest.approx(float(scores["eap"].mean.abs().max()))
    spent = pieces.scoring.timed(*asked, SETTINGS)
    assert set(spent) == {"pass", "eap", "eap-ig"} and all(value[0] > 0 for value in spent.values())
    assert torch.is_grad_enabled()
