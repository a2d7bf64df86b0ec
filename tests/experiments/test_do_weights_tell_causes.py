from collections.abc import Iterator
from types import SimpleNamespace

import pytest
import torch
from experiment_pieces import pieces_of

import mechlab
from mechlab.circuits.channels.channel_map import channel_map
from mechlab.models.processing import processed

PLACE = "009_do_weights_tell_causes"
SETTINGS = {
    "task": {"n": 8, "style": "tales"},
    "movers": 1,
    "others": 1,
    "least_attention": 0.2,
    "most_components": 24,
    "top": 5,
    "shown": 2,
    "draws": 2,
}


@pytest.fixture(scope="module")
def pieces() -> Iterator[SimpleNamespace]:
    with pieces_of(PLACE, "measuring", "controls") as found:
        yield found


@pytest.fixture(scope="module")
def question(pieces: SimpleNamespace) -> object:
    model = processed(mechlab.load("tales"))
    batches = pieces.measuring.asked_of(model, SETTINGS, 0)
    return pieces.measuring.Question(model, channel_map(model), batches, SETTINGS)


def test_receivers_are_who_looks_at_a_name_and_who_does_not(pieces: SimpleNamespace, question: object) -> None:
    table, receivers = pieces.measuring.receivers_of(question)
    assert len(table) == 16 and len(receivers) == 2
    looks = {tuple(row["head"]): row["IO"] + row["S1"] + row["S2"] for row in table}
    assert looks[receivers[0]] >= 0.2 > looks[receivers[1]]


def test_ranks_hold_every_number_from_weights_against_effects(pieces: SimpleNamespace, question: object) -> None:
    row = pieces.measuring.ranks(question, (2, 3), "k")
    assert row["n_components"] == 24 and row["n_prompts"] == 8
    for found in row["outcomes"].values():
        for name in ("z", "score", "value", "value x score", "shuffled"):
            value, low, high = found[name]["spearman"]
            assert -1 <= low <= high <= 1 and -1 <= value <= 1
            assert 0 <= found[name]["p_top"] <= 1
        assert found["value"]["given_value"] == 0
        assert found["value x score"]["spearman"][0] > found["shuffled"]["spearman"][0]
    fresh = pieces.controls.controlled(question, row)
    assert len(fresh["largest"]["single"]) == 2
    for one in fresh["largest"]["single"]:
        assert one["drawn, largest"] >= one["drawn, mean size"] >= 0
        assert one["path"][1] <= one["path"][0] <= one["path"][2]


def test_a_partial_correlation_is_that_of_what_is_left_over(pieces: SimpleNamespace) -> None:
    given = torch.randperm(200, generator=torch.Generator().manual_seed(0)).double()
    noise = torch.randn(2, 200, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    assert abs(pieces.measuring._partial(given + noise[0], given + noise[1], given)) < 0.25
    assert pieces.measuring._partial(given + 30 * noise[0], given + 30 * noise[0], given) > 0.99
