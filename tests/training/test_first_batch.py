"""The first batch gives scales and bias."""

import pytest
import torch

from mechlab.core.errors import UsageError
from mechlab.dictionaries.relu import ReluConfig, ReluDictionary
from mechlab.training.config import TrainConfig
from mechlab.training.first_batch import energy_of_mean, expected_norm_scale, geometric_median, scales, start_b_dec
from mechlab.training.loop import fit
from mechlab.training.scales import Scales
from mechlab.training.source import TensorSource


def test_scaled_rows_have_mean_norm_root_width() -> None:
    rows = torch.randn(500, 16) * torch.rand(500, 1) * 40
    scaled = rows * expected_norm_scale(rows)
    assert scaled.norm(dim=-1).mean().item() == pytest.approx(4.0)
    assert expected_norm_scale(torch.zeros(3, 4)) == 1.0


def test_a_target_has_its_own_scale_unless_it_is_the_input() -> None:
    rows, targets, config = torch.randn(50, 4), 100 * torch.randn(50, 9), TrainConfig()
    own = scales(rows, rows, config)
    assert own.inputs == own.targets == (expected_norm_scale(rows),)
    assert scales(rows, targets, config) == Scales(own.inputs, (expected_norm_scale(targets),))
    assert scales(rows, targets, TrainConfig(normalization="none")) == Scales((1.0,), (1.0,))


def test_every_layer_has_its_own_scale_where_layers_are_kept_apart() -> None:
    rows = torch.randn(50, 12) * torch.tensor([1.0, 10.0, 0.1]).repeat_interleave(4)
    found = scales(rows, rows, TrainConfig(), n_parts=3)
    norms = found.of_inputs(rows).view(50, 3, 4).norm(dim=-1).mean(0)
    torch.testing.assert_close(norms, torch.full((3,), 2.0))
    assert found.inputs == found.targets and len(set(found.inputs)) == 3
    assert scales(rows, rows, TrainConfig(normalization="none"), n_parts=3).inputs == (1.0, 1.0, 1.0)


def test_the_geometric_median_is_not_moved_by_outliers() -> None:
    rows = torch.randn(301, 5, generator=torch.Generator().manual_seed(0)) + 2.0
    rows[:20] = 1e4
    median = geometric_median(rows)
    assert (median - 2.0).norm() < 0.7
    assert (rows.mean(0) - 2.0).norm() > 1000


def test_no_point_near_the_geometric_median_has_less_total_distance() -> None:
    rows = torch.randn(200, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1)).exp()
    median = geometric_median(rows)
    best = (rows - median).norm(dim=-1).sum()
    for axis in range(3):
        for step in (0.01, -0.01):
            moved = median.clone()
            moved[axis] += step
            assert (rows - moved).norm(dim=-1).sum() > best


@pytest.mark.parametrize(("offset", "share"), [(0.0, 0.0), (1.0, 0.5), (3.0, 0.9)])
def test_the_energy_of_the_mean_is_its_share_of_the_mean_squared_norm(offset: float, share: float) -> None:
    signs = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
    assert energy_of_mean(signs + offset) == pytest.approx(share)
    assert energy_of_mean(torch.zeros(3, 2)) == 0.0


@pytest.mark.parametrize(("offset", "expected"), [(0.9, 0.0), (1.1, 1.1)])
def test_unless_told_the_decoder_bias_starts_at_a_mean_that_is_most_of_the_vectors(
    offset: float, expected: float
) -> None:
    dictionary = ReluDictionary(ReluConfig(d_in=4, d_sae=8))
    start_b_dec(dictionary, torch.cat([torch.ones(50, 4), -torch.ones(50, 4)]) + offset, TrainConfig())
    torch.testing.assert_close(dictionary.b_dec.detach(), torch.full((4,), expected))


@pytest.mark.parametrize(("how", "expected"), [("zeros", 0.0), ("mean", 5.0), ("geometric_median", 5.0)])
def test_the_decoder_bias_starts_where_asked(how: str, expected: float) -> None:
    dictionary = ReluDictionary(ReluConfig(d_in=4, d_sae=8))
    rows = torch.randn(100, 4)
    rows = torch.cat([rows, -rows]) + 5.0
    start_b_dec(dictionary, rows, TrainConfig(b_dec_init=how))  # type: ignore[arg-type]
    torch.testing.assert_close(dictionary.b_dec.detach(), torch.full((4,), expected), rtol=0, atol=1e-3)


@pytest.mark.parametrize(
    ("d_in", "d_out", "said"), [(20, 9, "target.*12.*made for 9"), (20, None, "target.*12"), (8, 12, "input.*20")]
)
def test_vectors_of_another_width_are_refused_in_one_line(d_in: int, d_out: int | None, said: str) -> None:
    dictionary = ReluDictionary(ReluConfig(d_in=d_in, d_sae=16, d_out=d_out))
    source = TensorSource(torch.randn(100, 20), 50, targets=torch.randn(100, 12))
    with pytest.raises(UsageError, match=f"{said}"):
        fit(dictionary, source, TrainConfig(n_tokens=100, batch_size=50))
