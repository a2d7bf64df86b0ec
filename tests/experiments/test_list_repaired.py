"""The pieces of experiment 010: lists of all topics, what channels propose, the search, and how an edit is judged."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from experiment_pieces import pieces_of
from oracles.tiny_models import tiny

import mechlab
from mechlab.core.errors import UsageError
from mechlab.corpora.rows import TokenRows
from mechlab.metrics.prompt_scores import prompt_scores
from mechlab.models.huggingface import HuggingFaceModel
from mechlab.models.language_model import LanguageModel

PLACE = "010_a_list_repaired"
MODULES = ("lists", "components", "searching", "judging", "looking", "failing", "arms", "run")
SEARCH = {"most_components": 1, "second_thoughts": 0, "looked_at": 2, "steps": [2, 3], "rate": [0.1, 0.1]}
LENGTH = 12


@pytest.fixture(scope="module")
def pieces():
    with pieces_of(PLACE, *MODULES) as found:
        yield found


@pytest.fixture(scope="module")
def model() -> LanguageModel:
    if not (Path(mechlab.__file__).parent / "models" / "tales" / "model.safetensors").exists():
        pytest.skip("the built-in model is not there")
    return mechlab.processed(mechlab.load("tales", device="cpu"))


@pytest.fixture(scope="module")
def channels(model):
    return mechlab.channel_map(model)


@pytest.fixture(scope="module")
def rows(model) -> TokenRows:
    return mechlab.pack(mechlab.open_corpus("tales"), model.tokenizer, row_length=64, n_tokens=20 * 64)


@pytest.fixture(scope="module")
def lists(pieces, model):
    return pieces.lists.lists_of(model, "tales", [LENGTH], 12, seed=5)


def place(pieces: SimpleNamespace, channels, *where):
    return pieces.components.component_at(channels.circuits, where)


def test_a_list_names_all_its_things_and_all_but_one_again(model, lists):
    for pairs in lists:
        for row, facts in enumerate(pairs.facts):
            text = model.to_text(pairs.clean)[row]
            assert len(facts["items"]) == len(set(facts["items"])) == LENGTH
            left = facts["items"][facts["target"] - 1]
            assert [
                item
                for item in facts["items"]
                if text.split().count(item) + sum(text.count(f" {item}{mark}") for mark in ",.") == 1
            ] == [left]


def test_lists_for_choosing_and_for_judging_differ(pieces, model):
    texts = [
        {
            text
            for pairs in pieces.lists.lists_of(model, "tales", [LENGTH], 5, seed)
            for text in model.to_text(pairs.clean)
        }
        for seed in (pieces.lists.split_seed(0, "choosing"), pieces.lists.split_seed(0, "judging"))
    ]
    assert not texts[0] & texts[1]


def test_lengths_have_room_between_the_bounds_and_none_is_refused(pieces):
    settings = {"room": [0.3, 0.75]}
    assert pieces.lists.with_room({8: 0.98, 12: 0.75, 13: 0.5, 15: 0.2}, settings) == [12, 13]
    with pytest.raises(UsageError, match="no length leaves room"):
        pieces.lists.with_room({8: 0.98}, settings)
    with pytest.raises(UsageError, match="no length leaves room"):
        pieces.lists.with_room({4: 0.45, 8: 0.98}, settings)  # four items: a guess is right as often


def test_a_model_whose_answers_depend_on_no_head_is_refused(pieces, model, monkeypatch):
    monkeypatch.setattr(pieces.failing, "drops", lambda *_: {(0, 0): 0.04, (1, 2): -0.01})
    settings = {
        "lengths": {"tried": [13], "n": 20, "room": [0.2, 0.9], "known": 0.95},
        "movers": {"n": 4, "least_drop": 0.1},
    }
    with pytest.raises(UsageError, match=r"no head moves answers: 0\.04"):
        pieces.failing.where_it_fails(model, "tales", settings)


def test_channels_lead_to_a_mover_over_other_heads(pieces):
    def channel(sender, receiver):
        return SimpleNamespace(sender=sender, receiver=receiver)

    way = [channel((0, 0), (1, 1)), channel((1, 1), (2, 0)), channel((0, 2), (1, 3))]
    assert pieces.components.leading_to(way, [(2, 0)]) == way[:2]


def test_as_many_components_stand_against_the_proposed_ones(pieces, channels):
    given = pieces.components.proposed(channels, [(2, 3)], {"most_q": 0.001})
    others = pieces.components.not_proposed(channels.circuits, given, seed=0)
    assert sorted(one.circuit for one in others) == sorted(one.circuit for one in given)
    assert len({str(one) for one in [*given, *others]}) == 2 * len(given)
    for one, other in zip(given, pieces.components.drawn(channels.circuits, given, seed=0), strict=True):
        assert (one.circuit, one.layer, one.head) == (other.circuit, other.layer, other.head)
        assert float(other.direction.norm()) == pytest.approx(1)


def test_position_readers_compare_positions_and_rotations_have_none(pieces, model, channels):
    found = pieces.components.reading_positions(model, channels.circuits, 96, least=5)
    assert "qk 0.2.4" in {str(one) for one in found}
    spread = model.weights().W_pos[:96].double()
    spread -= spread.mean(0)
    for one in found:
        assert float((spread @ one.direction).square().sum() / spread.square().sum()) >= 5 / channels.circuits.d_stream
    rotary = mechlab.processed(HuggingFaceModel(tiny("neox_parallel")))
    circuits = mechlab.channel_map(rotary).circuits
    assert pieces.components.reading_positions(rotary, circuits, 16, least=5) == []


def test_pools_are_joined_without_repeating(pieces, channels):
    one, other = place(pieces, channels, "ov", 1, 3, 0), place(pieces, channels, "qk", 1, 3, 0)
    again = place(pieces, channels, "ov", 1, 3, 0)
    assert pieces.components.together([one, other], [again]) == [again, other]


@pytest.mark.parametrize("where", [("ov", 1, 3, 0), ("qk", 2, 3, 2)])
def test_the_slopes_of_a_component_are_those_of_the_loss(pieces, model, channels, lists, rows, where):
    one, start = place(pieces, channels, *where), {"factor": 0.5, "constant": 0.2}
    bench = pieces.searching.Bench(model, lists, rows, 1.02)
    found = bench.slopes(bench.parts, (pieces.searching.Choice(one, **start),), [one])
    for name, slope in (("factor", found.factor), ("constant", found.constant)):
        up, down = (pieces.searching.Choice(one, **{**start, name: start[name] + step}) for step in (0.02, -0.02))
        measured = (bench.loss((up,)) - bench.loss((down,))) / 0.04
        assert float(slope) == pytest.approx(measured, rel=0.05, abs=0.01)


def test_a_search_lowers_the_loss_within_bounds(pieces, model, channels, lists, rows):
    pool = [place(pieces, channels, "qk", 2, 3, number) for number in range(3)]
    bench = pieces.searching.Bench(model, lists, rows, 1.02)
    choices = pieces.searching.searched(bench, pool, SEARCH, seed=0)
    assert len(choices) == 1
    assert bench.loss(choices) < bench.loss(())
    unwanted = pieces.searching.Bench(model, lists, rows, 0.5).within_bounds(choices)
    assert [(one.factor, one.constant) for one in unwanted] == [(1, 0)]


def test_no_edit_gains_nothing_and_costs_nothing(pieces, model, channels, lists, rows):
    court = pieces.judging.Court(model, {"failing": lists}, rows)
    one = place(pieces, channels, "ov", 1, 3, 0)
    nothing = court.judged((pieces.searching.Choice(one),))
    assert nothing["failing"]["gain"] == [0, 0, 0]
    assert nothing["nll_times"] == pytest.approx([1, 1, 1], abs=1e-4)
    broken = court.judged((pieces.searching.Choice(one, -4.0),))
    assert broken["failing"]["after"] < broken["failing"]["before"]
    assert broken["failing"]["by_length"][str(LENGTH)]["n"] == 12
    assert broken["nll_times"][0] > 1


def test_drawn_directions_of_equal_norm_change_the_circuit_by_as_much(pieces, channels):
    circuits = channels.circuits
    one = place(pieces, channels, "qk", 2, 3, 2)
    (other,) = pieces.judging.at_equal_norm(circuits, (pieces.searching.Choice(one, 0.25, 2.0),), seed=1)
    matrix = (circuits.qk.read[2, 3] * circuits.qk.values[2, 3]) @ circuits.qk.write[2, 3].T
    size = float((other.component.direction @ matrix).norm())
    assert size * abs(other.factor - 1) == pytest.approx(0.75 * one.size)
    assert size * other.constant == pytest.approx(2 * one.size)


def test_movers_look_at_places_and_wrong_answers_stand_at_them(pieces, model, lists):
    found = pieces.looking.looks(model, lists, [(2, 3), (0, 2)])
    assert set(found["attention"]) == {"2.3", "0.2"}
    assert all(len(own) == LENGTH - 1 and 0 < sum(own) <= 1 for own in found["attention"].values())
    assert len(found["wrong_answers"]) == LENGTH - 1
    assert sum(found["wrong_answers"]) == int((~prompt_scores(model, lists).hits).sum())


def test_the_head_whose_output_answers_depend_on_most_is_found(pieces, model):
    short = pieces.lists.lists_of(model, "tales", [6], 16, seed=5)
    drops = pieces.components.drops(model, short)
    assert len(drops) == 16
    assert max(drops, key=drops.__getitem__) in {(2, 3), (3, 1), (3, 3)}
