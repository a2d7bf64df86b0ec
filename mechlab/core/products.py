"""The fastest routes of matrix products on this CPU, found by a self-test: exact ones, and rounded ones.

1. PyTorch hands float32 products on a CPU to MKL, which takes twice as long as oneDNN where the processor is not
   Intel's.
2. It hands them to oneDNN only where they may be rounded to bfloat16. On a CPU without bfloat16 matrix units oneDNN
   does not round; on one with them it does.
3. So the first use multiplies a matrix both ways: the route through oneDNN is taken if it is as exact as float32 is.
4. Products of matrices rounded to bfloat16 are quicker only where the processor has instructions for them, and fit for
   screening only if their sums are float32's.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from threading import Lock
from typing import Any

import torch

EXACT, SUMMED_EXACTLY = 3e-6, 2**-8
ALLOW_ONEDNN = "bf16"


@dataclass
class _Inside:
    """How many are inside, and the setting to take back."""

    lock: Any = field(default_factory=Lock)
    count: int = 0
    before: str = "none"


_INSIDE = _Inside()


@cache
def route() -> str:
    """Return what multiplies float32 matrices inside `exact_products`: `oneDNN` or `default`."""
    if not torch.backends.mkldnn.is_available():
        return "default"
    generator = torch.Generator().manual_seed(0)
    left, right = torch.randn(64, 512, generator=generator), torch.randn(512, 256, generator=generator)
    with _onednn_allowed():
        product = left @ right
    exact = left.double() @ right.double()
    return "oneDNN" if float((product - exact).abs().max() / exact.abs().max()) < EXACT else "default"


@cache
def bfloat16_is_fast() -> bool:
    """Return whether this CPU multiplies bfloat16 matrices by instructions of their own, and sums them in float32."""
    cpu: Any = torch.cpu
    if not (torch.backends.mkldnn.is_available() and (cpu._is_avx512_bf16_supported() or cpu._is_amx_tile_supported())):
        return False
    generator = torch.Generator().manual_seed(0)
    left, right = (torch.rand(shape, generator=generator).bfloat16() for shape in ((16, 4096), (4096, 16)))
    exact = left.double() @ right.double()
    return float(((left @ right).double() / exact - 1).abs().max()) <= SUMMED_EXACTLY


def routes() -> str:
    """Return in a few words how products are taken on this CPU, for the record of a run."""
    return f"{route()}, bfloat16 {'fast' if bfloat16_is_fast() else 'not fast'}"


@contextmanager
def exact_products() -> Iterator[None]:
    """Send float32 products on the CPU through the route of the self-test; CUDA is left as it is.

    The setting is the process's: of threads inside at the same time, the last one out takes it back.
    """
    if route() == "default":
        yield
    else:
        with _onednn_allowed():
            yield


@contextmanager
def _onednn_allowed() -> Iterator[None]:
    settings = torch.backends.mkldnn.matmul  # pyright: ignore[reportAttributeAccessIssue]
    with _INSIDE.lock:
        if _INSIDE.count == 0:
            _INSIDE.before = settings.fp32_precision
            settings.fp32_precision = ALLOW_ONEDNN
        _INSIDE.count += 1
    try:
        yield
    finally:
        with _INSIDE.lock:
            _INSIDE.count -= 1
            if _INSIDE.count == 0:
                settings.fp32_precision = _INSIDE.before
