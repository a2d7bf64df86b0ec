"""Decompositions of thin products are those of the whole product, also where LAPACK's quick way fails."""

import pytest
import torch

from mechlab.circuits.channels import thin_svd as module
from mechlab.circuits.channels.thin_svd import degenerate_blocks, thin_svd


def factors(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(seed)
    return torch.randn(2, 3, 20, 5, generator=draw), torch.randn(2, 3, 5, 17, generator=draw)


def test_values_and_spaces_are_those_of_the_whole_product():
    left, right = factors()
    found, whole = thin_svd(left, right), torch.linalg.svd(left.double() @ right.double(), full_matrices=False)
    assert torch.allclose(found.values, whole.S[..., :5])
    ours, theirs = found.write, whole.Vh[..., :5, :].mT
    assert torch.allclose((ours.mT @ theirs).abs(), torch.eye(5, dtype=torch.float64).expand(2, 3, 5, 5), atol=1e-9)
    assert torch.allclose(found.matrices(), left.double() @ right.double())


def test_singular_vectors_are_orthonormal_and_the_write_vectors_point_up():
    found = thin_svd(*factors())
    for side in (found.read, found.write):
        assert torch.allclose(side.mT @ side, torch.eye(5, dtype=torch.float64).expand(2, 3, 5, 5), atol=1e-12)
    assert (found.write.gather(-2, found.write.abs().argmax(-2, keepdim=True)) > 0).all()


def test_the_transposed_decomposition_is_that_of_the_transposed_product():
    left, right = factors()
    assert torch.allclose(thin_svd(left, right).transposed().matrices(), (left.double() @ right.double()).mT)


@pytest.mark.parametrize("damage", ["wrong", "not a number"])
def test_a_decomposition_that_does_not_multiply_out_is_made_again(monkeypatch, damage):
    left, right = factors()
    wanted, quick = thin_svd(left, right), torch.linalg.svd

    def broken(cores):
        parts = quick(cores)
        parts[1][4] = parts[1][4] * 1.001 if damage == "wrong" else torch.nan
        return parts

    monkeypatch.setattr(module.torch.linalg, "svd", broken)
    assert torch.allclose(thin_svd(left, right).matrices(), wanted.matrices())


def test_a_head_of_zeros_has_values_of_zero():
    left, right = factors()
    assert not thin_svd(left * 0, right).values.any()


def test_neighbours_of_nearly_equal_value_share_a_block():
    values = torch.tensor([[3.0, 2.9999, 2.9998, 1.0, 0.0, 0.0], [6.0, 5.0, 4.0, 3.0, 2.0, 1.0]], dtype=torch.float64)
    assert degenerate_blocks(values).tolist() == [[0, 0, 0, 1, 2, 2], [0, 1, 2, 3, 4, 5]]
