"""The page's data are the map's numbers, and its sentences say them."""

from circuits.channels.random_heads import random_heads
from oracles.tiny_models import tiny
from verbs.steps import channel_pieces

from mechlab.circuits.channels.channel_map import of_circuits
from mechlab.models.huggingface import HuggingFaceModel
from mechlab.store.manifest import Identity, ModelRecord
from mechlab.verbs.steps.channels.page import page_data
from mechlab.views.channel_page import render_channels

IDENTITY = Identity(
    kind="channels",
    config={"mode": ["q", "k", "v"], "null": "sphere", "offset": 0, "biases": False},
    model=ModelRecord(name="small", fingerprint="f" * 64, processing=("fold_norm",)),
)


def test_numbers_and_sentences_are_those_of_the_map():
    found, columns, _ = channel_pieces.planted_map()
    data = page_data(IDENTITY, HuggingFaceModel(tiny("gpt2")), found, columns, 1.0)
    n_found = sum(int((one.q <= 0.05).sum()) for one in found.surprises.values())
    assert n_found == 1 and "one stands out" in data.summary and found.channels(1)[0].name in data.summary
    assert [one.mode for one in data.modes] == ["q", "k", "v"] and data.modes[0].floor > 2
    assert data.strongest[0].name == found.channels(1)[0].name and data.strongest[0].place == 14
    assert sum(data.modes[1].noise.counts) + data.modes[1].noise.n_above == int((~found.surprises["k"].z.isnan()).sum())
    assert any("only an intervention tells" in note for note in data.notes)


def test_a_map_of_chance_alone_has_no_floor_and_a_page_all_the_same():
    found = of_circuits(random_heads(seed=3)[0])
    columns = found.columns(2.0)
    data = page_data(IDENTITY, HuggingFaceModel(tiny("gpt2")), found, columns, 2.0)
    assert all(one.floor is None for one in data.modes) and "none stands out" in data.summary
    assert "<html" in render_channels(data)
