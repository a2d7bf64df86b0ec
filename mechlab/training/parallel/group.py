"""The processes that torchrun started, and what they send one another."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import torch
import torch.distributed as dist
from jaxtyping import Shaped
from torch import Tensor

from mechlab.core.errors import MechlabError, UsageError
from mechlab.core.processes import Place, this_place
from mechlab.core.runtime import resolve_device

PATIENCE = timedelta(hours=2)  # a peer that dies closes its connection at once; one that tokenises may take long
HEAD_START_S = 0.5


class PeerLost(MechlabError):
    """Another process of the run has stopped."""


class Group:
    """The processes of one run, each of which calls the same methods in the same order.

    Attributes:
        rank: this process's number, from zero.
        n: how many there are.
    """

    def __init__(self, place: Place) -> None:
        self.rank, self.n = place.rank, place.n

    def sum_(self, tensor: Tensor) -> Tensor:
        """Put the sum over all processes into the tensor."""
        return self._reduce(tensor, dist.ReduceOp.SUM)

    def lowest_(self, tensor: Tensor) -> Tensor:
        """Put the smallest over all processes into the tensor."""
        return self._reduce(tensor, dist.ReduceOp.MIN)

    def any(self, flags: Shaped[Tensor, "*any"]) -> Shaped[Tensor, "*any"]:
        """Return the flags that are set in some process."""
        return self._reduce(flags.to(torch.uint8), dist.ReduceOp.MAX).bool()

    def total(self, number: int) -> int:
        """Return the sum of a whole number over all processes."""
        return int(self.sum_(torch.tensor(number)))

    def first(self, number: int) -> int:
        """Return the first process's number."""
        told = torch.tensor(number)
        with _while_all_live():
            dist.broadcast(told, src=0)
        return int(told)

    def gather(self, tensor: Shaped[Tensor, "*any"]) -> list[Tensor]:
        """Return every process's tensor, in their order; all have the same shape."""
        own = tensor.contiguous()
        everyones = [torch.empty_like(own) for _ in range(self.n)]
        with _while_all_live():
            dist.all_gather(everyones, own)
        return everyones

    def gather_ragged(self, values: Shaped[Tensor, "n"]) -> list[Tensor]:
        """Return every process's values, in their order; each may have another number of them."""
        lengths = [int(length) for length in self.gather(torch.tensor(len(values)))]
        padded = values.new_zeros(max(lengths))
        padded[: len(values)] = values
        return [own[:length] for own, length in zip(self.gather(padded), lengths, strict=True)]

    def joined(self, stretch: Shaped[Tensor, "n *any"]) -> Shaped[Tensor, "n_in_all *any"]:
        """Return everyone's stretches of a tensor's first axis put together, on the CPU; all are equally long."""
        return torch.cat(self.gather(stretch.detach().cpu()))

    def leave(self) -> None:
        """Take this process out of the group; nothing can be sent afterwards.

        The group's threads may go on, in PyTorch's own keeping; `core.processes.end_at_once` is the way out.
        """
        dist.destroy_process_group()

    def wait(self) -> None:
        """Return once all processes have come here."""
        self.total(0)

    def _reduce(self, tensor: Tensor, operation: dist.ReduceOp.RedOpType) -> Tensor:
        with _while_all_live():
            dist.all_reduce(tensor, operation)
        return tensor


def join(device: str) -> Group:
    """Return the group of all processes, over NCCL where tensors are on GPUs and over gloo where they are on CPUs.

    Raises:
        UsageError: there are more processes on this machine than GPUs, or all are sent to one of them.
    """
    place = this_place()
    on_gpu = resolve_device(device).type == "cuda"
    if on_gpu:
        _take_gpu(device, place)
    if not dist.is_initialized():
        dist.init_process_group("cpu:gloo,cuda:nccl" if on_gpu else "gloo", timeout=PATIENCE)
    return Group(place)


def is_first_to_fail() -> bool:
    """Return whether no other process of the group has failed before, so that one line is printed and not many.

    The first process has a head start: what goes wrong everywhere is told by it.
    """
    if not dist.is_initialized():
        return this_place().is_first
    try:
        if not this_place().is_first:
            time.sleep(HEAD_START_S)
        return dist.distributed_c10d._get_default_store().add("failed", 1) == 1
    except RuntimeError:  # the launcher that holds the store is gone, and with it who would read the line
        return this_place().is_first


def _take_gpu(device: str, place: Place) -> None:
    if ":" in device:
        raise UsageError("several processes need a GPU each", value=device, remedy="Give cuda or auto.")
    n_gpus = torch.cuda.device_count()
    if place.n_local > n_gpus:
        remedy = f"This machine has {n_gpus}; or give --device cpu."
        raise UsageError("more processes than GPUs", value=place.n_local, remedy=remedy)
    torch.cuda.set_device(place.local_rank)


@contextmanager
def _while_all_live() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        line = (
            "another process of this run has stopped; start all of them again, with --resume if there is a checkpoint"
        )
        raise PeerLost(line) from error
