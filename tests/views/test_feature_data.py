"""What the pages show is what the table says, packed small."""

import json

import pytest
from views.sample_features import TEXTS, sample_about, sample_features

from mechlab.views.feature_data import PER_PART, feature_list, feature_part, frequency_bars


def test_the_list_has_a_line_for_every_feature():
    table = sample_features()
    found = feature_list(table, sample_about())
    assert all(len(column) == 150 for column in (found.names, found.fires, found.f1, found.lost, found.promoted))
    assert found.fires == tuple(table.columns["fires"].tolist())
    assert found.f1[4] == pytest.approx(float(table.columns["cause_f1"][4]), abs=5e-3)
    assert found.lost[0] == pytest.approx(float(table.columns["removal_loss"][0, 0]), rel=1e-3), "the known one"
    assert found.lost[2] is None and found.names[2] == "" and found.cause[2] == -1


def test_a_context_on_a_page_is_the_table_s():
    table = sample_features()
    part = feature_part(table, sample_about(), 0)
    for feature in (0, 1, 127):
        for packed, one in zip(part.features[feature].get("strongest", []), table.top(feature), strict=True):
            row, start, focus, numbers, codes = packed
            assert (row, start, focus) == (one.row, one.start, one.focus)
            assert [part.texts[number] for number in numbers] == [text.replace("\n", "↵") for text in one.tokens]
            on = dict(zip(codes[::2], codes[1::2], strict=True))
            assert [on.get(place, 0) for place in range(len(numbers))] == pytest.approx(one.activations, rel=1e-3)


def test_parts_hold_all_features_once():
    table, about = sample_features(), sample_about()
    parts = [feature_part(table, about, number) for number in range(about.n_parts)]
    assert [one["id"] for part in parts for one in part.features] == list(range(150))
    assert about.n_parts == 2 and len(parts[0].features) == PER_PART and parts[1].first == PER_PART
    json.dumps([part.model_dump() for part in parts], allow_nan=False)


def test_a_dead_feature_has_only_what_its_direction_says():
    dead = feature_part(sample_features(), sample_about(), 0).features[2]
    assert dead.keys() == {"id", "name", "fires", "top", "bottom", "by_chance"}
    assert feature_part(sample_features(plain=True), sample_about(), 0).features[2]["top"] == []


def test_every_live_feature_is_in_one_bar():
    table = sample_features()
    bars = frequency_bars(table)
    assert sum(count for _, _, count in bars) == 100 and bars[-1][1] == 0
    assert len(TEXTS) == len(table.facts.texts)
