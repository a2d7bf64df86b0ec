"""The machine: which device a run uses, and how many threads."""

import torch

from mechlab.core.errors import UsageError


def resolve_device(name: str) -> torch.device:
    """Return the device for `auto`, `cpu`, `cuda`, `cuda:N` or `mps`; `auto` takes an accelerator if there is one.

    Raises:
        UsageError: the device does not exist on this machine.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError):
        raise UsageError("device is not on this machine", value=name, remedy="Use cpu, cuda, mps or auto.") from None
    return device
