"""Products: the route is exact, is taken back, and the self-test refuses one that rounds."""

import threading

import pytest
import torch

from mechlab.core import products
from mechlab.core.products import exact_products, route


def fp32_precision() -> str:
    return torch.backends.mkldnn.matmul.fp32_precision  # pyright: ignore[reportAttributeAccessIssue]


@pytest.fixture(autouse=True)
def tested_anew():
    route.cache_clear()
    yield
    route.cache_clear()


def test_products_on_the_route_are_as_exact_as_float32():
    generator = torch.Generator().manual_seed(3)
    left, right = torch.randn(200, 777, generator=generator), torch.randn(777, 130, generator=generator)
    exact = left.double() @ right.double()
    with exact_products():
        error = (left @ right - exact).abs().max() / exact.abs().max()
    assert error < 2e-6


def test_the_setting_is_taken_back_also_after_an_exception():
    before = fp32_precision()
    with pytest.raises(RuntimeError, match="inside"), exact_products():
        raise RuntimeError("inside")
    assert fp32_precision() == before


def test_a_library_that_rounds_to_bfloat16_is_not_taken(monkeypatch):
    true_product = torch.Tensor.__matmul__

    def rounding(left, right):
        if left.dtype == torch.float32 and fp32_precision() == "bf16":
            return true_product(left.bfloat16(), right.bfloat16()).float()
        return true_product(left, right)

    monkeypatch.setattr(torch.Tensor, "__matmul__", rounding)
    assert route() == "default"
    with exact_products():
        assert fp32_precision() != "bf16"


def test_without_onednn_nothing_is_set(monkeypatch):
    monkeypatch.setattr(products.torch.backends.mkldnn, "is_available", lambda: False)
    assert route() == "default"


def test_threads_inside_at_the_same_time_leave_the_setting_as_it_was():
    before, together = fp32_precision(), threading.Barrier(2, timeout=10)

    def first():
        with exact_products():
            together.wait()  # both inside
        together.wait()  # out before the second

    thread = threading.Thread(target=first)
    thread.start()
    with exact_products():
        together.wait()
        together.wait()
        assert fp32_precision() == ("bf16" if route() == "oneDNN" else before)
    thread.join()
    assert fp32_precision() == before
