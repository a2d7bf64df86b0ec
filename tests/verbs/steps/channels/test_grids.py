"""Grids hold the best component of each pair, and the page lists that and what passes its bound."""

import torch
from verbs.steps import channel_pieces

from mechlab.verbs.steps.channels import grids as channel_grids
from mechlab.verbs.steps.channels.grids import axes_of, grids_of, listed_rows, pair_rows, rounded


def test_axes_name_who_can_send_and_who_can_receive():
    _, _, axes = channel_pieces.planted_map()
    assert axes.names(axes.senders) == tuple(f"{layer}.{head}" for layer in range(3) for head in range(3))
    assert axes.names(axes.receivers)[0] == "1.0" and axes.n_cut == 0
    assert axes.place((0, 1), (2, 2)) == 1 * 9 + 5 and axes.place((3, 0), (2, 2)) is None


def test_of_too_many_heads_those_of_the_largest_z_are_shown(monkeypatch):
    monkeypatch.setattr(channel_grids, "MOST_HEADS", 2)
    found, _, _ = channel_pieces.planted_map()
    axes = axes_of(found)
    assert "0.1" in axes.names(axes.senders) and "2.2" in axes.names(axes.receivers) and axes.n_cut == 14


def test_a_cell_is_the_best_component_and_blank_where_heads_cannot_talk():
    found, _, axes = channel_pieces.planted_map()
    grids = grids_of(found, "q", axes, 0.05)
    assert float(grids.best[1, 5]) == float(found.surprises["q"].z[0, 1, :, 2, 2].max())
    assert float(grids.whole[1, 5]) == float(found.scores["q"].whole[0, 1, 2, 2])
    assert bool(grids.discovered[1, 5]) and bool(grids.best[8, 0].isnan()) and not bool(grids.discovered[8, 0])
    assert rounded(grids.best, 1)[8][0] is None


def test_every_pair_lists_its_best_and_the_rest_down_to_a_bound_for_the_whole_page():
    found, columns, axes = channel_pieces.planted_map()
    everything = listed_rows(columns, axes, 1.0)
    assert len(everything.rows) == len(columns) and everything.least_z == 1.0
    rows = pair_rows(columns, "q", everything)
    own = [z for z, pair in zip(rows.z, rows.pair, strict=True) if pair == 14]
    assert own == sorted(own, reverse=True) and own[0] == round(float(found.surprises["q"].z[0, 1, :, 2, 2].max()), 1)
    n_pairs = 3 * int((~grids_of(found, "q", axes, 0.05).best.isnan()).sum())
    few = listed_rows(columns, axes, 1.0, most=n_pairs + 5)
    assert len(few.rows) == n_pairs + 5 and few.least_z > 1.0
    assert len(set(zip(few.pairs.tolist(), (columns.modes[row] for row in few.rows.tolist()), strict=True))) == n_pairs
    assert torch.equal(few.pairs, few.pairs.sort().values)
