"""Columns hold the rows of the list of channels, cut at a z, with the best of every pair kept."""

from dataclasses import asdict

import pytest
import torch
from circuits.channels.random_heads import random_heads, with_channel

from mechlab.circuits.channels.channel_map import of_circuits
from mechlab.circuits.channels.columns import NUMBERS, ChannelColumns
from mechlab.core.errors import ArtifactError


@pytest.fixture(scope="module")
def found():
    return of_circuits(with_channel(random_heads()[0], (0, 1), (2, 2), 2.0))


def test_with_no_bound_they_are_the_whole_list(found):
    columns, listed = found.columns(-torch.inf), found.channels()
    rows = [columns.channel(row) for row in range(len(columns))]
    assert [one.z for one in rows] == [one.z for one in listed]
    wanted = {one.name: asdict(one) for one in listed}
    assert len(rows) == len(wanted) == len(listed)
    for one in rows:
        assert asdict(one) == {
            name: pytest.approx(value, rel=1e-9) if isinstance(value, float) else value
            for name, value in wanted[one.name].items()
        }


def test_with_a_bound_they_keep_what_passes_it_and_the_best_of_every_pair(found):
    columns = found.columns(2.0)
    rows = [columns.channel(row) for row in range(len(columns))]
    best = {}
    for one in found.channels():
        best.setdefault((one.sender, one.receiver, one.mode), one.name)
    assert {one.name for one in rows} == {one.name for one in found.channels(least_z=2.0)} | {*best.values()}


def test_rows_are_picked_by_head_and_mode(found):
    columns = found.columns(1.0)
    picked = [columns.channel(row) for row in columns.rows(sender=(0, 1), receiver=(2, 2), modes=("q", "v"))]
    every = [columns.channel(row) for row in range(len(columns))]
    assert picked == [x for x in every if (x.sender, x.receiver) == ((0, 1), (2, 2)) and x.mode != "k"] and picked


def test_they_are_restored_from_their_own_columns_and_from_no_others(found):
    columns = found.columns(2.0)
    back = ChannelColumns.restored(columns.columns())
    assert back.modes == columns.modes
    assert all(torch.equal(back.numbers[name], columns.numbers[name]) for name in NUMBERS)
    with pytest.raises(ArtifactError, match="holds no channels"):
        ChannelColumns.restored({"z": columns.numbers["z"]})
