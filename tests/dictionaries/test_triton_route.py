"""Only tensors on CUDA take Triton's kernels, and only they import Triton."""

import subprocess
import sys
from collections.abc import Iterator

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from mechlab.dictionaries import triton_route
from mechlab.dictionaries.triton_route import kernels_for

ON_THE_CPU = """
import sys, torch
from mechlab.dictionaries.sparse import Kept, decode_kept
kept = Kept.fixed(torch.tensor([[1, 2]]), 3)
values = torch.ones(2, requires_grad=True)
decode_kept(values, torch.eye(3), kept).sum().backward()
print(values.grad.tolist(), "triton" in sys.modules, "mechlab.dictionaries.triton_kernels" in sys.modules)
"""


@pytest.fixture(autouse=True)
def _looked_for_anew() -> Iterator[None]:
    triton_route._is_installed.cache_clear()
    yield
    triton_route._is_installed.cache_clear()


def on_cuda() -> torch.Tensor:
    """Return a tensor that says it is on CUDA, on any machine."""
    with FakeTensorMode():
        return torch.empty(2, 3, device="cuda")


def test_tensors_on_the_cpu_never_import_triton() -> None:
    done = subprocess.run([sys.executable, "-c", ON_THE_CPU], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[0] == "[1.0, 1.0] False False"


def test_tensors_on_other_devices_keep_pytorchs_operations() -> None:
    assert kernels_for(torch.empty(2)) is None
    assert kernels_for(torch.empty(2, device="meta")) is None


def test_tensors_on_cuda_take_the_kernels() -> None:
    pytest.importorskip("triton", reason="Triton is not installed (PyTorch's builds for CUDA bring it)")
    kernels = kernels_for(on_cuda())
    assert kernels is not None
    assert {"weighted_sums", "dots"} <= set(vars(kernels))


def test_without_triton_cuda_keeps_pytorchs_operations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(triton_route, "find_spec", lambda name: None)
    assert kernels_for(on_cuda()) is None
