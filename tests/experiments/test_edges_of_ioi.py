"""Experiment 012 compares scores as it says, on a tiny random model; a score that is the exact one agrees with it."""

from dataclasses import replace

import pytest
import torch
from circuits.asked_pairs import random_pairs
from experiment_pieces import pieces_of
from oracles.tiny_models import tiny

from mechlab.models.huggingface import HuggingFaceModel

SETTINGS = {"steps": 2, "draws": 2, "rounds": 1, "points": 3, "other_steps": [1, 20], "few": [1, 5, 262]}


@pytest.fixture(scope="module")
def pieces():
    with pieces_of("012_edges_of_ioi", "scoring", "judging", "reasons") as found:
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


def test_the_way_leads_from_one_outcome_to_the_other_and_small_steps_see_all_of_it(pieces, asked, scores):
    model, batches = asked
    found = pieces.reasons.reasons(model, batches, batches, scores, SETTINGS)
    with torch.no_grad():
        ends = [
            pieces.scoring.OUTCOME.of(model.logits(tokens)[:, -1], {}, batches[0]).mean()
            for tokens in (batches[0].clean, batches[0].corrupted)
        ]
    assert [found["way"][0], found["way"][-1]] == pytest.approx([float(one) for one in ends], abs=2e-3)
    assert found["seen"]["eap-ig, steps 20"][0] == pytest.approx(1, abs=1e-3)
    of_embeddings = scores["eap"].mean[scores["eap"].wiring.sources.index("input")].sum()
    assert found["seen"]["eap"][0] == pytest.approx(float(of_embeddings / (ends[0] - ends[1])), rel=1e-3)
    assert found["few edges"]["signed"]["exact"][-1] == pytest.approx(1, abs=1e-3)
    assert set(found["signed"]) == {
        *("eap, corrupted end", "eap-ig, steps 1", "eap-ig, steps 20", "eap-ig, probability"),
        *("eap, bottlenecks first", "eap, exact signs", "eap-ig, exact signs"),
    }


def test_circuits_of_eaps_sizes_with_exact_signs_leave_out_what_opposes(pieces, asked, scores):
    """With the exact scores themselves in EAP's place, their ranking by signs is what the signed way judges."""
    same = dict.fromkeys(("exact", "eap", "eap-ig"), scores["exact"])
    found = pieces.reasons.reasons(*asked, asked[1], same, SETTINGS | {"other_steps": []})["signed"]
    judged = pieces.judging.judged(*asked, same, 1)["signed"]["exact"]["cpr"]
    assert found["eap, exact signs"] == pytest.approx(judged) == found["eap-ig, exact signs"]


def test_the_last_bottleneck_is_counted_in_the_ranking(pieces, scores):
    exact = scores["exact"]
    order = exact.mean.masked_fill(~exact.wiring.is_edge, -torch.inf).flatten().argsort(descending=True)
    third = float(exact.mean.flatten()[order[2]])
    needed = pieces.reasons.bottlenecks(exact, 2 * third)
    assert int(needed.sum()) == 3 == pieces.reasons.last_place(exact, needed, by_size=False)
    turned = replace(exact, values=-exact.values)
    assert pieces.reasons.last_place(turned, needed, by_size=False) == exact.wiring.n_edges
    assert pieces.reasons.last_place(turned, needed, by_size=True) < 20
    assert len(pieces.reasons._named(exact, needed)) == 3


def test_wrong_signs_weigh_what_edges_are_worth(pieces, scores):
    exact = scores["exact"]
    assert pieces.reasons.wrong_signs(exact, exact) == [0, 0]
    share, n = pieces.reasons.wrong_signs(replace(exact, values=-exact.values), exact)
    sizes = exact.of_edges.abs()
    counted = sizes >= sizes.max() / 100
    assert n == int(counted.sum()) and share == pytest.approx(float(sizes[counted].sum() / sizes.sum()), abs=1e-4)
