"""Who computes the sparse operations: Triton's kernels for tensors on CUDA, PyTorch for all others."""

from functools import cache
from importlib.util import find_spec
from types import ModuleType

from torch import Tensor


def kernels_for(tensor: Tensor) -> ModuleType | None:
    """Return the module of kernels where the tensor is on CUDA and Triton is installed; None means PyTorch's own.

    Triton comes with PyTorch's builds for CUDA and is imported only for them.
    """
    if tensor.device.type != "cuda" or not _is_installed():
        return None
    from mechlab.dictionaries import triton_kernels

    return triton_kernels


@cache
def _is_installed() -> bool:
    return find_spec("triton") is not None
