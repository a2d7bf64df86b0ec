"""Positions of a row are found in a pass that begins inside it."""

from oracles.tiny_models import tiny

from mechlab.interventions.positions import places_in_pass
from mechlab.models.huggingface import HuggingFaceModel


def test_positions_are_counted_from_the_start_of_the_row_and_none_is_all():
    model = HuggingFaceModel(tiny("gpt2"))
    assert places_in_pass(model, range(1, 3), 4) == [1, 2] and places_in_pass(model, None, 2) == [0, 1]
    model.first_position = 5
    assert places_in_pass(model, range(6, 9), 1) == [] and places_in_pass(model, range(6, 9), 3) == [1, 2]
    assert places_in_pass(model, range(0, 5), 3) == []
