"""Ragged kept codes give the values and gradients of the dense computation."""

import pytest
import torch
from torch import Tensor

from mechlab.dictionaries.sparse import Kept, Read, decode_kept, dot_rows, encode_kept, sum_by_feature

BATCH, D_SAE, WIDTH = 6, 15, 4


@pytest.fixture
def mask() -> Tensor:
    kept = torch.rand(BATCH, D_SAE, generator=torch.Generator().manual_seed(0)) < 0.3
    kept[2] = False  # a row without codes
    kept[:, 4] = False  # a feature nobody keeps
    kept[:, 5] = True
    return kept


@pytest.fixture
def kept(mask: Tensor) -> Kept:
    return Kept.flat(mask.flatten().nonzero().squeeze(1), BATCH, D_SAE)


def random(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(sum(shape)))


def test_gathering_reads_the_kept_entries_row_by_row(mask: Tensor, kept: Kept) -> None:
    dense = random(BATCH, D_SAE)
    assert torch.equal(kept.gather(dense), dense[mask])


def test_k_features_per_row_keep_their_order() -> None:
    kept = Kept.fixed(torch.tensor([[3, 1], [0, 2]]), 4)
    assert kept.gather(torch.arange(8.0).reshape(2, 4)).tolist() == [3.0, 1.0, 4.0, 6.0]
    assert kept.rows.tolist() == [0, 0, 1, 1]


def test_only_values_above_zero_fire(kept: Kept, mask: Tensor) -> None:
    values = torch.where(kept.columns == 5, 0.0, 1.0)
    fired, l0 = kept.fired(values)
    expected = mask.clone()
    expected[:, 5] = False
    assert torch.equal(fired, expected.any(0))
    assert l0.item() == pytest.approx(expected.sum().item() / BATCH)


def test_sums_by_feature_are_the_dense_transposed_product(mask: Tensor, kept: Kept) -> None:
    rows, dense = random(BATCH, WIDTH), random(BATCH, D_SAE) * mask
    torch.testing.assert_close(sum_by_feature(kept.gather(dense), rows, kept), dense.T @ rows)


def test_dot_products_are_the_dense_product_at_the_kept_places(mask: Tensor, kept: Kept) -> None:
    left, right = random(BATCH, WIDTH), random(D_SAE, WIDTH)
    torch.testing.assert_close(dot_rows(left, right, kept), (left @ right.T)[mask])


def test_unsorted_features_of_a_row_are_not_mixed_up() -> None:
    kept = Kept.fixed(torch.tensor([[9, 1, 4], [0, 14, 2]]), D_SAE)
    left, right = random(2, WIDTH), random(D_SAE, WIDTH)
    torch.testing.assert_close(dot_rows(left, right, kept), kept.gather(left @ right.T))


def test_decoding_and_its_gradients_are_those_of_the_dense_product(mask: Tensor, kept: Kept) -> None:
    codes, W_dec = (random(BATCH, D_SAE) * mask).requires_grad_(), random(D_SAE, WIDTH).requires_grad_()
    weight = random(BATCH, WIDTH)
    ((codes @ W_dec) * weight).sum().backward()
    values, ours = kept.gather(codes.detach()).requires_grad_(), W_dec.detach().clone().requires_grad_()
    out = decode_kept(values, ours, kept)
    torch.testing.assert_close(out, codes @ W_dec)
    (out * weight).sum().backward()
    assert codes.grad is not None
    torch.testing.assert_close(values.grad, codes.grad[mask])
    torch.testing.assert_close(ours.grad, W_dec.grad)


@pytest.mark.parametrize("centred", [True, False])
def test_encoding_and_its_gradients_are_those_of_the_dense_product(mask: Tensor, kept: Kept, centred: bool) -> None:
    x, weight = random(BATCH, WIDTH), random(BATCH, D_SAE)
    leaves = [random(D_SAE, WIDTH), random(D_SAE), random(WIDTH)]
    dense = [leaf.clone().requires_grad_() for leaf in leaves]
    sparse = [leaf.clone().requires_grad_() for leaf in leaves]
    shifted = x - dense[2] if centred else x
    pre = shifted @ dense[0].T + dense[1]
    (pre * weight)[mask].sum().backward()
    read = Read(kept.gather(pre.detach()), shifted.detach(), kept)
    values = encode_kept(sparse[0], sparse[1], sparse[2] if centred else None, read)
    (values * kept.gather(weight)).sum().backward()
    for ours, theirs in zip(sparse, dense, strict=True):
        assert (ours.grad is None) == (theirs.grad is None)
        if theirs.grad is not None:
            torch.testing.assert_close(ours.grad, theirs.grad)
