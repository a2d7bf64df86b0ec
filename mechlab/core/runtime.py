"""The machine: which device a run uses, how many threads, and what becomes of freed memory."""

import ctypes

import torch

from mechlab.core.errors import UsageError

SMALL_MODEL_PARAMS = 5_000_000
GLIBC_TRIM_THRESHOLD, GLIBC_MMAP_THRESHOLD = -1, -3
LARGEST_KEPT_BYTES = 32 << 20

DEVICE_TYPES = ("cpu", "cuda", "mps")


def resolve_device(name: str) -> torch.device:
    """Return the device for `auto`, `cpu`, `cuda`, `cuda:N` or `mps`; `auto` takes CUDA if it is there, else the CPU.

    Raises:
        UsageError: the device does not exist on this machine.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name.partition(":")[0] not in DEVICE_TYPES:
        raise UsageError("unknown device", value=name, remedy="Use cpu, cuda, cuda:N, mps or auto.")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError):
        raise UsageError("device is not on this machine", value=name, remedy="Use cpu or auto.") from None
    return device


def use_threads(n_threads: int | None, n_params: int) -> None:
    """Set this process's CPU threads.

    Args:
        n_threads: how many; None takes one for a small model, whose threads only wait for one another (the demo takes
            1.6 times as long on two as on one), and leaves torch's own number for others.
        n_params: the model's parameters.
    """
    if n_threads is not None:
        torch.set_num_threads(n_threads)
    elif n_params < SMALL_MODEL_PARAMS:
        torch.set_num_threads(1)


def keep_freed_memory() -> bool:
    """Let this process keep the memory it frees, up to 32 MiB a block, for its next tensors; return whether it does.

    By its defaults glibc gives a large freed block back to the system and faults every page of the next one in anew,
    which takes a fifth of a small model's forward pass. Other C libraries are left as they are.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):
        return False
    return bool(mallopt(GLIBC_MMAP_THRESHOLD, LARGEST_KEPT_BYTES) and mallopt(GLIBC_TRIM_THRESHOLD, 2**31 - 1))
