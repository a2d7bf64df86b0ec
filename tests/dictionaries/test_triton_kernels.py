"""Triton's kernels and PyTorch's own operations obey the same laws: on the CPU, in Triton's interpreter, on a GPU."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

from mechlab.dictionaries import sparse
from mechlab.dictionaries.sparse import Kept, Read, decode_kept, dot_rows, encode_kept, sum_by_feature

ROOT = Path(__file__).parent.parent.parent
INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
NO_TRITON = "Triton is not installed (PyTorch's builds for CUDA bring it)"

WIDTHS = [1, 7, 128, 200]
COUNTS = {
    "some rows without codes": [0, 3, 0, 1, 16, 17, 0, 36, 0],
    "no codes at all": [0, 0, 0],
    "an empty batch": [],
}
SOME = COUNTS["some rows without codes"]


@pytest.fixture(params=["torch", "interpreter", "cuda"])
def device(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return where tensors are put; in the interpreter the CPU's take the kernels and PyTorch's operations are gone."""
    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("needs a GPU")
    if request.param == "interpreter":
        pytest.importorskip("triton", reason=NO_TRITON)
        if not INTERPRETED:
            pytest.skip("runs in a process of its own, started by another test of this file")
        from mechlab.dictionaries import triton_kernels

        monkeypatch.setattr(sparse, "kernels_for", lambda tensor: triton_kernels)
        monkeypatch.delattr(sparse, "embedding_bag")
        monkeypatch.delattr(torch.sparse, "sampled_addmm")
    return "cuda" if request.param == "cuda" else "cpu"


def draw(device: str, *shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Return numbers that depend on the shape alone."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape))).to(device, dtype)


def pattern(device: str, counts: list[int], d_sae: int) -> Kept:
    """Return rows with so many features each, in no order, the first feature in none."""
    generator = torch.Generator().manual_seed(1)
    rows = [1 + torch.randperm(d_sae - 1, generator=generator)[:count] for count in counts]
    columns = torch.cat([torch.empty(0, dtype=torch.int64), *rows])
    return Kept(columns.to(device), torch.tensor([0, *counts]).cumsum(0).to(device), d_sae)


def dense(values: Tensor, kept: Kept) -> Tensor:
    """Return ragged values as a matrix in float64."""
    matrix = torch.zeros(len(kept.offsets) - 1, kept.d_sae, dtype=torch.float64, device=values.device)
    return matrix.index_put((kept.rows, kept.columns), values.double(), accumulate=True)


def close(ours: Tensor, exact: Tensor, dtype: torch.dtype = torch.float32) -> None:
    assert ours.dtype == dtype
    torch.testing.assert_close(ours.double(), exact, rtol=1e-5, atol=3e-5)


@pytest.mark.parametrize("counts", COUNTS.values(), ids=COUNTS)
@pytest.mark.parametrize("width", WIDTHS)
def test_decoding_and_its_gradients_are_autograds_of_the_dense_product_in_float64(
    device: str, counts: list[int], width: int
) -> None:
    kept = pattern(device, counts, 37)
    values, W_dec = draw(device, sum(counts)).requires_grad_(), draw(device, 37, width).requires_grad_()
    weight = draw(device, len(counts), width)
    exact_values, exact_W_dec = (leaf.detach().double().requires_grad_() for leaf in (values, W_dec))
    exact = dense(exact_values, kept) @ exact_W_dec
    (exact * weight).sum().backward()
    ours = decode_kept(values, W_dec, kept)
    (ours * weight).sum().backward()
    close(ours, exact)
    for leaf, like in ((values, exact_values), (W_dec, exact_W_dec)):
        assert leaf.grad is not None and like.grad is not None
        close(leaf.grad, like.grad)


@pytest.mark.parametrize("counts", COUNTS.values(), ids=COUNTS)
@pytest.mark.parametrize("width", WIDTHS)
def test_encoding_and_its_gradients_are_autograds_of_the_dense_product_in_float64(
    device: str, counts: list[int], width: int
) -> None:
    kept = pattern(device, counts, 37)
    leaves = [draw(device, 37, width), draw(device, 37), draw(device, width)]
    x, weight = draw(device, len(counts), width), draw(device, sum(counts))
    exact = [leaf.double().requires_grad_() for leaf in leaves]
    pre = ((x - exact[2]) @ exact[0].T + exact[1])[kept.rows, kept.columns]
    (pre * weight).sum().backward()
    ours = [leaf.clone().requires_grad_() for leaf in leaves]
    read = Read(pre.detach().float(), (x - leaves[2]), kept)
    (encode_kept(*ours, read) * weight).sum().backward()
    for leaf, like in zip(ours, exact, strict=True):
        assert leaf.grad is not None and like.grad is not None
        close(leaf.grad, like.grad)


@pytest.mark.parametrize("width", WIDTHS)
def test_a_feature_that_a_thousand_rows_keep_sums_them_all(device: str, width: int) -> None:
    kept = pattern(device, [1] * 1001, 2)
    values, rows = draw(device, 1001), draw(device, 1001, width)
    close(sum_by_feature(values, rows, kept), dense(values, kept).T @ rows.double())


def test_rows_that_nobody_keeps_are_never_looked_at(device: str) -> None:
    """A row of NaN stays out of sums and products, at the ends of bags too, where a kernel's last few rows are idle."""
    kept = pattern(device, SOME, 37)
    n_kept, table = len(kept.columns), draw(device, 37, 20)
    spoilt = table.clone()
    spoilt[0] = torch.nan
    values, left = draw(device, n_kept), draw(device, len(kept.offsets) - 1, 20)
    assert torch.equal(decode_kept(values, spoilt, kept), decode_kept(values, table, kept))
    assert torch.equal(dot_rows(left, spoilt, kept), dot_rows(left, table, kept))


def test_views_that_are_not_in_one_piece_of_memory_are_read_as_they_look(device: str) -> None:
    kept = pattern(device, SOME, 37)
    n_rows, n_kept = len(kept.offsets) - 1, len(kept.columns)
    turned, part = draw(device, 20, 37).T, draw(device, 37, 50)[:, -20:]
    values, rows = draw(device, 2 * n_kept)[::2], draw(device, n_rows, 41)[:, ::2][:, :20]
    for table in (turned, part):
        assert not table.is_contiguous()
        close(decode_kept(values, table, kept), dense(values, kept) @ table.double())
        close(dot_rows(rows, table, kept), (rows.double() @ table.double().T)[kept.rows, kept.columns])
    close(sum_by_feature(values, rows, kept), dense(values, kept).T @ rows.double())


def test_the_same_input_gives_the_same_bytes(device: str) -> None:
    kept = pattern(device, [36, 0, 30, 31] * 8, 37)
    values, rows = draw(device, len(kept.columns)), draw(device, 32, 128)
    once, again = (sum_by_feature(values, rows, kept) for _ in range(2))
    assert torch.equal(once, again)


def test_doubles_stay_doubles(device: str) -> None:
    kept = pattern(device, SOME, 37)
    values, table = (draw(device, *shape, dtype=torch.float64) for shape in ((len(kept.columns),), (37, 20)))
    exact = dense(values, kept) @ table
    torch.testing.assert_close(decode_kept(values, table, kept), exact, rtol=1e-12, atol=1e-12)
    products = (exact @ table.T)[kept.rows, kept.columns]
    torch.testing.assert_close(dot_rows(exact, table, kept), products, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("device", ["interpreter", "cuda"], indirect=True)
@pytest.mark.parametrize("other", [torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
def test_tables_of_bfloat16_are_summed_in_single_precision(device: str, other: torch.dtype) -> None:
    """Only the result is rounded, where it is asked for in bfloat16: sums of a thousand lose nothing before.

    Where a GPU rounds, the interpreter cuts off, which is up to twice as far.
    """
    from mechlab.dictionaries import triton_kernels

    offsets = torch.tensor([0, 2, 1003, 1003], device=device)
    columns = torch.randint(37, (1003,), generator=torch.Generator().manual_seed(1)).to(device)
    kept, table = Kept(columns, offsets, 37), draw(device, 37, 200, dtype=torch.bfloat16)
    values, left = draw(device, 1003).to(other), draw(device, 3, 200).to(other)
    sums = triton_kernels.weighted_sums(offsets, columns, values, table)
    products = triton_kernels.dots(offsets, columns, left, table)
    exact = dense(values, kept) @ table.double(), (left.double() @ table.double().T)[kept.rows, columns]
    rounding = 2**-7 if other == torch.bfloat16 else 1e-5
    for ours, like in zip((sums, products), exact, strict=True):
        assert ours.dtype == other
        torch.testing.assert_close(ours.double(), like, rtol=rounding, atol=5e-5)


@pytest.mark.skipif(INTERPRETED, reason="this is the process of its own")
def test_the_laws_hold_where_triton_interprets() -> None:
    """Triton decides for good when it is first imported whether it interprets, so that is a process of its own."""
    pytest.importorskip("triton", reason=NO_TRITON)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    command = [sys.executable, "-m", "pytest", __file__, "-k", "interpreter", "-p", "no:cacheprovider"]
    done = subprocess.run(
        command, cwd=ROOT, env={**environment, "TRITON_INTERPRET": "1"}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout
    assert "skipped" not in done.stdout, done.stdout


@pytest.mark.skipif(INTERPRETED, reason="the interpreter compiles nothing")
@pytest.mark.parametrize("capability", [80, 90])
@pytest.mark.parametrize(("table", "other", "words"), [("fp32", "fp32", 4), ("bf16", "fp32", 4), ("fp64", "fp64", 2)])
def test_the_kernels_compile_for_gpus_and_read_sixteen_bytes_at_a_time(
    capability: int, table: str, other: str, words: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    triton = pytest.importorskip("triton", reason=NO_TRITON)
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from mechlab.dictionaries import triton_kernels

    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    types = {"table": table, "offsets": "i64", "indices": "i64"}
    for kernel in (triton_kernels._weighted_sums, triton_kernels._dots):
        pointers = {name: f"*{types.get(name, other)}" for name in kernel.arg_names[:-1]}
        aligned = {(place,): [["tt.divisibility", 16]] for place in range(len(kernel.arg_names))}
        source = ASTSource(kernel, {**pointers, "width": "i32"}, constexprs={}, attrs=aligned)
        compiled = triton.compile(source, target=GPUTarget("cuda", capability, 32))
        assert compiled.asm["cubin"]
        assert f"ld.global.v{words}" in compiled.asm["ptx"]
