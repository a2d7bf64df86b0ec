"""A device that is not the CPU, pretended on the CPU: what mixes the two fails here as it would on a GPU.

1. An `Elsewhere` wraps a tensor of the CPU and says that it is on the device `meta`.
2. Every operation is computed on what is wrapped, so values are real, and so are shapes that depend on values.
3. Tensors of both places in one operation are refused, but for what GPUs allow: copies, numbers, indices on the CPU.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing
from torch.utils._pytree import tree_leaves, tree_map

aten = torch.ops.aten
COPIES = {aten._to_copy.default, aten.copy_.default}
INDEXED = {aten.index.Tensor, aten.index_put.default, aten.index_put_.default}


class Elsewhere(Tensor):
    """A tensor on the pretended device; `here` is what it wraps."""

    here: Tensor

    @staticmethod
    def __new__(cls, here: Tensor) -> "Elsewhere":
        layout = {"strides": here.stride(), "storage_offset": here.storage_offset(), "dtype": here.dtype}
        wrapper = Tensor._make_wrapper_subclass(cls, here.shape, device="meta", **layout)
        wrapper.here = here
        return wrapper

    def __init__(self, here: Tensor) -> None:
        super().__init__()

    def __repr__(self, *, tensor_contents: Any = None) -> str:
        return f"Elsewhere({self.here})"

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return computed(func, args, kwargs or {})


class _Dispatch(TorchDispatchMode):
    """Makes what is asked for on the device `meta` an `Elsewhere`."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return computed(func, args, kwargs or {})


class _Calls(TorchFunctionMode):
    """Answers the calls that PyTorch computes below its dispatcher."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if func is torch.tensor and torch.device(kwargs.get("device", "cpu")).type == "meta":
            return Elsewhere(func(*args, **{**kwargs, "device": "cpu"}))
        if func is Tensor.new_tensor and isinstance(args[0], Elsewhere):
            return Elsewhere(args[0].here.new_tensor(*args[1:], **kwargs))
        if func is Tensor.tolist and isinstance(args[0], Elsewhere):
            return args[0].here.tolist()
        return func(*args, **kwargs)


@contextmanager
def pretended_device() -> Iterator[torch.device]:
    """Let tensors on the device that is yielded hold numbers."""
    with _Calls(), _Dispatch():
        yield torch.device("meta")


def computed(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """Return an operation's result, on the device where its tensors are or which it asks for."""
    tensors = _tensors((args, kwargs))
    any_elsewhere = any(isinstance(tensor, Elsewhere) for tensor in tensors)
    if any_elsewhere and func not in COPIES:
        free = _tensors(args[1]) if func in INDEXED and isinstance(args[0], Elsewhere) else []
        bound = [tensor for tensor in tensors if tensor.ndim and all(tensor is not index for index in free)]
        strangers = [tuple(tensor.shape) for tensor in bound if not isinstance(tensor, Elsewhere)]
        assert not strangers, f"{func} mixes devices: on the CPU are {strangers}"
    wanted = kwargs.get("device")
    plain_args, plain_kwargs = tree_map(_plain, (args, kwargs if wanted is None else {**kwargs, "device": "cpu"}))
    result = func(*plain_args, **plain_kwargs)
    if any_elsewhere if wanted is None else torch.device(wanted).type == "meta":
        result = tree_map(lambda leaf: Elsewhere(leaf) if isinstance(leaf, Tensor) else leaf, result)
    return return_and_correct_aliasing(func, args, kwargs, result) if any_elsewhere else result


def _plain(leaf: Any) -> Any:
    return leaf.here if isinstance(leaf, Elsewhere) else leaf


def _tensors(tree: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]
