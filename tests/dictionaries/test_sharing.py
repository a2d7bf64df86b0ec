"""Where a feature lives is read off its decoder norms, and off the data where norms may deceive."""

import pytest
import torch

from mechlab.dictionaries.sharing import layer_cosines, layer_norms, relative_norms, scaling, sharing

W_DEC = torch.tensor([[3.0, 4.0, 0.0, 5.0], [0.0, 2.0, 0.0, 0.0], [1.0, 0.0, 0.0, -9.0], [0.0, 0.0, 0.0, 0.0]])


def test_a_layers_share_is_its_norm_over_the_sum_of_norms() -> None:
    assert layer_norms(W_DEC, 2).tolist() == [[5, 5], [2, 0], [1, 9], [0, 0]]
    expected = torch.tensor([[0.5, 0.5], [1.0, 0.0], [0.1, 0.9], [0.5, 0.5]])
    torch.testing.assert_close(relative_norms(W_DEC, 2), expected)


def test_cosines_compare_a_features_directions_at_different_layers() -> None:
    assert layer_cosines(W_DEC, 2)[:, 0, 1].tolist() == pytest.approx([0.8, 0.0, 0.0, 0.0])


def test_a_feature_is_shared_exclusive_or_neither() -> None:
    found = sharing(torch.tensor([[0.5, 0.5], [0.41, 0.59], [0.3, 0.7], [0.05, 0.95], [0.9, 0.1]]))
    assert found.shared.tolist() == [True, True, False, False, False]
    assert found.exclusive.tolist() == [[False, False]] * 3 + [[False, True], [True, False]]


def test_of_three_layers_a_shared_feature_needs_all() -> None:
    found = sharing(torch.tensor([[0.3, 0.3, 0.4], [0.5, 0.5, 0.0], [0.95, 0.0, 0.05]]))
    assert found.shared.tolist() == [True, False, False]
    assert found.exclusive.any(1).tolist() == [False, False, True]
    assert not sharing(torch.ones(4, 1)).exclusive.any(), "one layer shares with nobody and excludes nobody"


def test_the_factor_of_a_direction_is_its_least_squares_fit() -> None:
    draw = torch.Generator().manual_seed(0)
    codes, directions = torch.rand(50, 3, generator=draw), torch.randn(3, 4, generator=draw)
    codes[:, 2] = 0.0
    rows = torch.randn(50, 4, generator=draw)
    found = scaling(codes, directions, rows)
    for feature in range(2):
        written = torch.outer(codes[:, feature], directions[feature]).flatten()[:, None]
        expected = torch.linalg.lstsq(written, rows.flatten()[:, None]).solution
        assert found[feature].item() == pytest.approx(expected.item(), abs=1e-5)
    assert found[2] == 0


def test_a_falsely_exclusive_feature_is_found_out_by_the_other_layers_rows() -> None:
    draw = torch.Generator().manual_seed(1)
    codes, directions = torch.rand(4000, 2, generator=draw), torch.eye(2, 8)
    other_layer = codes[:, :1] @ directions[:1] * 0.7 + torch.randn(4000, 8, generator=draw) * 0.1
    assert scaling(codes - codes.mean(0), directions, other_layer).tolist() == pytest.approx([0.7, 0.0], abs=0.02)
