"""Named tensors in a file: safetensors, written whole in a fixed order of bytes, never a pickle."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from mechlab.core.errors import ArtifactError
from mechlab.store.disk import replacing
from mechlab.store.safetensors_header import read_header


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: tuple[str, str] | None = None) -> None:
    """Write tensors, from any device and with any strides; equal tensors give equal bytes.

    Args:
        path: the file; it is replaced whole or not at all.
        tensors: the tensors by name; those that share memory are stored apart.
        metadata: one free key and its text; only one, because safetensors shuffles several at random.

    Raises:
        UsageError: the disk is full or refuses the write; nothing is left behind.
    """
    # A fresh copy for each: safetensors refuses views, and two names may share one storage.
    stored = {name: _own(tensor) for name, tensor in sorted(tensors.items())}
    with replacing(path) as temporary:
        temporary.touch()
        mode = temporary.stat().st_mode
        try:
            save_file(stored, temporary, metadata=None if metadata is None else dict([metadata]))
        except SafetensorError as error:
            raise _system_error(error) from None
        temporary.chmod(mode)  # safetensors leaves its files readable by their owner alone


def read_tensors(
    path: Path, names: Iterable[str] | None = None, device: str | torch.device = "cpu"
) -> dict[str, Tensor]:
    """Return the tensors of a safetensors file by name, sorted; `names` None means all of them.

    Raises:
        ArtifactError: the file is missing, truncated, damaged or a pickle, or has no tensor of that name.
    """
    known = read_header(path).spans
    wanted = sorted(known if names is None else names)
    for name in wanted:
        if name not in known:
            remedy = f"It holds {', '.join(sorted(known))}."
            raise ArtifactError(f"tensor file has no {name!r}", value=str(path), remedy=remedy)
    try:
        with safe_open(path, framework="pt", device=str(device)) as file:
            return {name: file.get_tensor(name) for name in wanted}
    except (SafetensorError, OSError) as error:
        raise ArtifactError("tensor file cannot be read", value=str(path), remedy=f"{error}.") from None


def _own(tensor: Tensor) -> Tensor:
    return tensor.detach().to(device="cpu", copy=True, memory_format=torch.contiguous_format)


def _system_error(error: SafetensorError) -> Exception:
    """Return the operating system's error that safetensors wraps in words, or the error itself."""
    number = re.search(r"os error (\d+)", str(error))
    return OSError(int(number[1]), str(error)) if number else error
