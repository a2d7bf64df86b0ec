"""A group whose members are threads of one process: what they send one another is plain to see."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from mechlab.core.processes import Place
from mechlab.training.parallel.group import Group

COMBINE = {
    dist.ReduceOp.SUM: lambda tensors: torch.stack(tensors).sum(0),
    dist.ReduceOp.MIN: lambda tensors: torch.stack(tensors).amin(0),
    dist.ReduceOp.MAX: lambda tensors: torch.stack(tensors).amax(0),
}


class ThreadGroup(Group):
    """One thread's view of the group."""

    def __init__(self, rank: int, board: list[Any], barrier: threading.Barrier) -> None:
        super().__init__(Place(rank, len(board)))
        self._board, self._barrier = board, barrier

    def gather(self, tensor: Tensor) -> list[Tensor]:
        everyones = self._exchange(tensor.detach().clone())
        assert len({(one.shape, one.dtype) for one in everyones}) == 1, "shapes differ"
        return everyones

    def first(self, number: int) -> int:
        return self._exchange(number)[0]

    def joined(self, stretch: Tensor) -> Tensor:
        return torch.cat(self.gather(stretch))

    def leave(self) -> None:
        pass

    def _reduce(self, tensor: Tensor, operation: Any) -> Tensor:
        combine = next(combine for known, combine in COMBINE.items() if known == operation)
        return tensor.copy_(combine(self.gather(tensor)))

    def _exchange(self, mine: Any) -> list[Any]:
        self._board[self.rank] = mine
        self._barrier.wait(timeout=30)
        everyones = list(self._board)
        self._barrier.wait(timeout=30)
        return everyones


def together(n: int, work: Callable[[Group], Any]) -> list[Any]:
    """Return what each of n threads makes of its group."""
    board, barrier = [None] * n, threading.Barrier(n)

    def one(rank: int) -> Any:
        try:
            return work(ThreadGroup(rank, board, barrier))
        except BaseException:
            barrier.abort()
            raise

    with ThreadPoolExecutor(n) as pool:
        return list(pool.map(one, range(n)))
