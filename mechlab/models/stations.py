"""Stations: modules of a running model at which sites are visited, each with one hook that exists only while visited.

A visit is called with the activation and returns None (only looked) or the activation to go on with. One station may
serve several sites of its module, by slot; they are visited in the order of the forward pass, whichever came first.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from mechlab.models.architectures.layout import HeadProjection, Norm, linear_weight

Visit = Callable[[Tensor], Tensor | None]
Slot = str | int


class Station(ABC):
    """A module and the visits to its sites."""

    def __init__(self, module: nn.Module) -> None:
        self.module = module
        self.visits: dict[Slot, list[Visit]] = {}
        self._handles: list[Any] = []

    def add(self, slot: Slot, visit: Visit) -> None:
        """Add a visit after those the slot already has."""
        if not self.visits:
            self._handles = self.attach()
        self.visits.setdefault(slot, []).append(visit)

    def remove(self, slot: Slot, visit: Visit) -> None:
        """Take a visit back; the last one leaves the module as it was found."""
        self.visits[slot].remove(visit)
        if not self.visits[slot]:
            del self.visits[slot]
        if not self.visits:
            for handle in self._handles:
                handle.remove()

    def through(self, slot: Slot, value: Tensor) -> Tensor:
        """Return the activation after all visits of a slot; the very same tensor if none changed it."""
        for visit in self.visits.get(slot, ()):
            changed = visit(value)
            value = value if changed is None else changed
        return value

    def passed(self, slot: Slot, shown: Tensor) -> Tensor | None:
        """Return what to go on with after all visits, None if the module's own tensor will do.

        It will not do if someone may ask for the gradient at what was shown: the pass must then run through it.
        """
        changed = self.through(slot, shown)
        return None if changed is shown and not shown.requires_grad else changed

    @abstractmethod
    def attach(self) -> list[Any]:
        """Hook the module; return the handles that undo it."""


class InputStation(Station):
    """A module's input, split into heads if asked (`resid_pre`, `z`, `mlp_post`)."""

    def __init__(self, module: nn.Module, n_heads: int | None = None) -> None:
        super().__init__(module)
        self.n_heads = n_heads

    def attach(self) -> list[Any]:
        """Hook the module's input."""
        return [self.module.register_forward_pre_hook(self._hook)]

    def _hook(self, module: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...] | None:
        value = args[0] if self.n_heads is None else args[0].unflatten(-1, (self.n_heads, -1))
        changed = self.passed("input", value)
        return None if changed is None else (changed.reshape(args[0].shape), *args[1:])


class OutputStation(Station):
    """A module's output, or the first of its outputs (`embed`, `attn_out`, `mlp_pre`, `mlp_out`, `resid_post`)."""

    def attach(self) -> list[Any]:
        """Hook the module's output."""
        return [self.module.register_forward_hook(self._hook)]

    def _hook(self, module: nn.Module, args: Any, output: Any) -> Any:
        value = output[0] if isinstance(output, tuple) else output
        changed = self.through("output", value)
        if changed is value:
            return None
        return (changed, *output[1:]) if isinstance(output, tuple) else changed


class PositionStation(Station):
    """The position embedding, computed for one row and shown for every row (`pos_embed`)."""

    def __init__(self, module: nn.Module, embed: nn.Module) -> None:
        super().__init__(module)
        self.embed, self.n_rows = embed, 1

    def attach(self) -> list[Any]:
        """Hook the token embedding, which runs first and knows the number of rows, and the position embedding."""
        return [self.embed.register_forward_hook(self._count), self.module.register_forward_hook(self._hook)]

    def _count(self, module: nn.Module, args: Any, output: Tensor) -> None:
        self.n_rows = output.shape[0]

    def _hook(self, module: nn.Module, args: Any, output: Tensor) -> Tensor | None:
        return self.passed("output", output.expand(self.n_rows, -1, -1))


class MiddleStation(Station):
    """The residual stream between attention and MLP (`resid_mid`).

    No module returns it: the block adds it up, hands it to the second norm and adds the MLP's output to the same tensor
    later. So the norm's input is overwritten in place, which both see; visits get a copy, so that none sees it change.
    """

    def attach(self) -> list[Any]:
        """Hook the second norm's input."""
        return [self.module.register_forward_pre_hook(self._hook)]

    def _hook(self, module: nn.Module, args: tuple[Tensor, ...]) -> None:
        changed = self.passed("input", args[0].clone())
        if changed is not None:
            args[0].copy_(changed)


class ProjectionStation(Station):
    """Queries, keys and values as they leave their projection, per head (`q`, `k`, `v`)."""

    def __init__(self, module: nn.Module, parts: Mapping[str, HeadProjection]) -> None:
        super().__init__(module)
        self.parts = parts

    def attach(self) -> list[Any]:
        """Hook the projection's output."""
        return [self.module.register_forward_hook(self._hook)]

    def _hook(self, module: nn.Module, args: Any, output: Tensor) -> Tensor | None:
        result = output
        for slot, part in self.parts.items():
            changed = self.passed(slot, part.heads(output)) if slot in self.visits else None
            if changed is not None:
                result = result.clone() if result is output else result
                part.heads(result).copy_(changed)
        return None if result is output else result


class NormStation(Station):
    """A norm's scale and its output before gain and bias (`ln1_scale`, `ln1_normalized`, ...)."""

    def __init__(self, norm: Norm) -> None:
        super().__init__(norm.module)
        self.norm = norm

    def attach(self) -> list[Any]:
        """Hook the norm."""
        return [self.module.register_forward_hook(self._hook)]

    def _hook(self, module: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> Tensor | None:
        value = args[0].to(torch.promote_types(args[0].dtype, torch.float32))
        centred = value - value.mean(-1, keepdim=True) if self.norm.kind == "LN" else value
        found = (centred.pow(2).mean(-1, keepdim=True) + self.norm.eps).sqrt()
        scale = self.passed("scale", found)
        shown = centred / (found if scale is None else scale)
        normalized = self.passed("normalized", shown)
        if scale is None and normalized is None:
            return None
        gained, bias = (shown if normalized is None else normalized) * self.norm.gain(), self.norm.bias()
        return (gained if bias is None else gained + bias).to(output.dtype)


class ResultStation(Station):
    """What each head adds to the residual stream (`result`, and `head.L.H` by the head's number).

    It is never computed by the model itself; a change is made by adding the difference to the projection's output.
    """

    def __init__(self, module: nn.Module, n_heads: int) -> None:
        super().__init__(module)
        self.n_heads = n_heads

    def attach(self) -> list[Any]:
        """Hook the projection from heads to the residual stream."""
        return [self.module.register_forward_hook(self._hook)]

    def _hook(self, module: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> Tensor | None:
        z = args[0].unflatten(-1, (self.n_heads, -1))
        weight = linear_weight(module).unflatten(0, (self.n_heads, -1))
        results, total = None, output
        if "result" in self.visits:
            found = torch.einsum("...hd,hdm->...hm", z, weight)
            results = self.passed("result", found.clone())
            total = total if results is None else total + (results - found).sum(-2)
        for head in [slot for slot in self.visits if isinstance(slot, int)]:
            found = z[..., head, :] @ weight[head] if results is None else results[..., head, :]
            changed = self.passed(head, found.clone())
            total = total if changed is None else total + (changed - found)
        return None if total is output else total
