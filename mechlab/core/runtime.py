"""The machine: which device a run uses, how many threads, and what becomes of freed memory."""

import ctypes

import torch

from mechlab.core.errors import UsageError

SMALL_MODEL_PARAMS = 5_000_000
GLIBC_TRIM_THRESHOLD, GLIBC_MMAP_THRESHOLD, GLIBC_MMAP_MAX = -1, -3, -4
USUAL_MAPS, LARGEST_THRESHOLD = 1 << 16, 32 << 20

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


def keep_freed_memory(*, of_any_size: bool = True) -> bool:
    """Let this process keep the memory it frees for its next tensors; return whether it does.

    By its defaults glibc gives a large freed block back to the system and faults every page of the next one in anew: a
    seventh of a TopK step's time at 16,384 features of width 768, a fifth of a small model's forward pass. What the
    process holds is then the most it ever held. Other C libraries are left as they are.

    Args:
        of_any_size: whether blocks above 32 MiB are kept, too. Where many such blocks of different sizes come and go,
            kept ones do not fit into one another and take more than half as much memory again.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):
        return False
    settings = {
        GLIBC_MMAP_MAX: 0 if of_any_size else USUAL_MAPS,
        GLIBC_MMAP_THRESHOLD: LARGEST_THRESHOLD,
        GLIBC_TRIM_THRESHOLD: 2**31 - 1,
    }
    return all(mallopt(name, value) for name, value in settings.items())
