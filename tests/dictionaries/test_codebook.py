"""A codebook chooses, decodes and learns as a dense one does under autograd, and touches only what it uses."""

from contextlib import nullcontext

import pytest
import torch
from oracles.dense_codebook import dense_snap

from mechlab.core.config import build
from mechlab.core.errors import ConfigError
from mechlab.dictionaries import codebook, screening
from mechlab.dictionaries.codebook import NO_CODE, Codebook, CodebookConfig, summed_by_code

SHAPES = pytest.mark.parametrize(
    ("d_in", "n_codes", "k", "n_groups"), [(12, 30, 1, 1), (12, 30, 5, 1), (24, 16, 3, 4), (8, 7, 7, 2), (6, 1, 1, 6)]
)
WAYS = pytest.mark.parametrize("combine", ["sum", "mean"])
LIKENESS = pytest.mark.parametrize("similarity", ["cosine", "euclidean"])
NORMALISE = pytest.mark.parametrize("normalise", [True, False])


def made(**options: object) -> Codebook:
    return Codebook(build(CodebookConfig, options), seed=1).double()


def vectors(*shape: int) -> torch.Tensor:
    drawn = torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    return (3 * drawn + 1).requires_grad_()


def gradients(output: torch.Tensor, error: torch.Tensor, *of: torch.Tensor) -> list[torch.Tensor]:
    weights = torch.linspace(-1, 1, output.numel(), dtype=output.dtype).view(output.shape)
    return list(torch.autograd.grad((output * weights).sum() + 0.7 * error, of))


@SHAPES
@WAYS
@LIKENESS
@NORMALISE
def test_choice_output_and_gradients_are_those_of_dense_autograd_in_float64(
    d_in: int, n_codes: int, k: int, n_groups: int, combine: str, similarity: str, normalise: bool
) -> None:
    options = {"d_in": d_in, "n_codes": n_codes, "k": k, "n_groups": n_groups}
    book = made(**options, combine=combine, similarity=similarity, normalise=normalise)
    x = vectors(5, 4, d_in)
    snapped = book.snap(x)
    output, ids, error = dense_snap(x, book.codes, book.config)
    assert torch.equal(snapped.ids, ids)
    torch.testing.assert_close(snapped.output, output, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(snapped.error, error, rtol=1e-12, atol=1e-12)
    of_x, of_codes = gradients(snapped.output, snapped.error, x, book.codes)
    wanted_x, wanted_codes = gradients(output, error, x, book.codes)
    torch.testing.assert_close(of_x, wanted_x, rtol=1e-10, atol=1e-10)
    assert of_codes.is_sparse
    torch.testing.assert_close(of_codes.to_dense(), wanted_codes, rtol=1e-10, atol=1e-10)


def test_codes_that_were_not_chosen_have_no_gradient_and_no_room_in_it() -> None:
    book = made(d_in=12, n_codes=500, k=2)
    snapped = book.snap(vectors(9, 12))
    (snapped.output.sum() + snapped.error).backward()
    assert book.codes.grad is not None
    assert book.codes.grad.coalesce().indices()[0].tolist() == snapped.ids.unique().tolist()


def test_the_vector_learns_nothing_of_the_codes_error() -> None:
    book, x = made(d_in=12, n_codes=30), vectors(9, 12)
    (of_x,) = torch.autograd.grad(book.snap(x).error, x, allow_unused=True)
    assert of_x is None or not of_x.any()


def test_a_code_that_is_the_vector_takes_its_place() -> None:
    book, x = made(d_in=12, n_codes=30, normalise=False), vectors(4, 12).detach()
    with torch.no_grad():
        book.codes[[3, 8, 20, 29]] = x
    assert book.nearest(x).flatten().tolist() == [3, 8, 20, 29]
    torch.testing.assert_close(book(x), x)


def test_a_vector_however_long_has_the_same_codes_by_angle() -> None:
    book, x = made(d_in=12, n_codes=30, k=3, normalise=False), vectors(40, 12).detach()
    assert torch.equal(book.nearest(x), book.nearest(50 * x))
    far = made(d_in=12, n_codes=30, k=3, normalise=False, similarity="euclidean")
    assert not torch.equal(far.nearest(x), far.nearest(50 * x))


def test_groups_know_nothing_of_one_another() -> None:
    book, x = made(d_in=24, n_codes=16, k=3, n_groups=4, normalise=False), vectors(10, 24).detach()
    other = x.clone()
    other[:, 6:12] += 1.0
    before, after = book.nearest(x), book.nearest(other)
    assert torch.equal(before[:, [0, 2, 3]], after[:, [0, 2, 3]])
    assert not torch.equal(before[:, 1], after[:, 1])
    assert [int(before[:, group].min()) // 16 for group in range(4)] == [0, 1, 2, 3]
    assert [int(before[:, group].max()) // 16 for group in range(4)] == [0, 1, 2, 3]


@WAYS
def test_decoding_the_nearest_codes_gives_what_was_snapped(combine: str) -> None:
    book, x = made(d_in=24, n_codes=16, k=3, n_groups=4, combine=combine), vectors(2, 5, 24).detach()
    torch.testing.assert_close(book.decode(book.nearest(x)), book(x))


def test_an_empty_slot_adds_nothing() -> None:
    book = made(d_in=6, n_codes=5, k=2, n_groups=2, combine="sum")
    ids = torch.tensor([[[1, NO_CODE], [NO_CODE, NO_CODE]]])
    torch.testing.assert_close(book.decode(ids), torch.cat([book.codes[1], torch.zeros(3).double()])[None])


def test_many_codes_are_looked_through_by_upper_bounds_to_the_same_end(monkeypatch: pytest.MonkeyPatch) -> None:
    book = Codebook(CodebookConfig(d_in=256, n_codes=9000, k=2), seed=0)
    x = torch.randn(8, 256, generator=torch.Generator().manual_seed(0))
    found = []
    for fast in (True, False):
        monkeypatch.setattr(screening, "bfloat16_is_fast", lambda fast=fast: fast)
        found.append(book.nearest(x))
    assert torch.equal(*found)


@pytest.mark.parametrize(("n_rows", "n_codes", "quickest"), [(16, 4096, True), (15, 9000, False), (16, 4095, False)])
def test_large_products_take_the_quickest_exact_route_and_small_ones_torchs(
    n_rows: int, n_codes: int, quickest: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered = []
    monkeypatch.setattr(codebook, "exact_products", lambda: nullcontext(entered.append(True)))
    Codebook(CodebookConfig(d_in=64, n_codes=n_codes, k=2, n_groups=2)).nearest(torch.randn(n_rows, 64))
    assert bool(entered) == quickest


def test_vectors_that_do_not_lie_one_after_another_are_snapped_as_those_that_do() -> None:
    book, x = made(d_in=12, n_codes=30, k=3, n_groups=2), vectors(12, 4, 5).detach()
    found = []
    for one in (x.permute(2, 1, 0), x.permute(2, 1, 0).contiguous()):
        snapped = book.snap(one.requires_grad_())
        found.append([snapped.output, *gradients(snapped.output, snapped.error, one, book.codes)])
    assert all(torch.equal(*(one.to_dense() for one in pair)) for pair in zip(*found, strict=True))


def test_rows_are_summed_by_the_code_that_was_chosen() -> None:
    rows = torch.tensor([[1.0, 2.0], [10.0, 20.0], [100.0, 200.0]])
    sums = summed_by_code(rows, torch.tensor([[4, 0], [0, 0], [4, 2]]), 6)
    assert sums.coalesce().indices().tolist() == [[0, 2, 4]]
    assert sums.to_dense()[:, 0].tolist() == [21.0, 0.0, 100.0, 0.0, 101.0, 0.0]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"n_codes": 5, "k": 6}, r"k is not valid: 6.*at most n_codes = 5"),
        ({"n_groups": 5}, r"n_groups is not valid: 5.*divide the width, 12"),
        ({"combine": "product"}, r"combine is not valid"),
        ({"n_codes": 0}, r"n_codes is not valid: 0"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(options: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        build(CodebookConfig, {"d_in": 12, **options})
    assert "\n" not in str(caught.value)


def test_the_same_seed_draws_the_same_codes() -> None:
    config = CodebookConfig(d_in=12, n_codes=30)
    assert torch.equal(Codebook(config, seed=3).codes, Codebook(config, seed=3).codes)
    assert not torch.equal(Codebook(config, seed=3).codes, Codebook(config, seed=4).codes)
