"""Steering by hooks of PyTorch's own: one vector at a time, the whole row computed anew for every token."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

Vectors = Callable[[torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class Rule:
    """What becomes of the vector that leaves a block, and at which places of a row whose prompt has so many tokens."""

    layer: int
    change: Vectors
    where: Callable[[int, int], bool] = lambda place, n_prompt: True


def blocks_of(module: Any) -> Any:
    for names in ("transformer.h", "model.layers", "gpt_neox.layers"):
        found = dict(module.named_modules()).get(names)
        if found is not None:
            return found
    raise AssertionError("no blocks")


@torch.no_grad()
def logits_by_hand(module: Any, tokens: torch.Tensor, n_prompt: int, rows: Sequence[Sequence[Rule]]) -> torch.Tensor:
    """Return the logits of rows, each steered by its own rules in their order."""

    def hook(layer: int) -> Callable[..., Any]:
        def write(module: Any, args: Any, output: Any) -> Any:
            value = (output[0] if isinstance(output, tuple) else output).clone()
            for row, rules in enumerate(rows):
                for rule in rules:
                    for place in range(value.shape[1]):
                        if rule.layer == layer and rule.where(place, n_prompt):
                            value[row, place] = rule.change(value[row, place])
            return (value, *output[1:]) if isinstance(output, tuple) else value

        return write

    handles = [block.register_forward_hook(hook(layer)) for layer, block in enumerate(blocks_of(module))]
    try:
        return module(tokens, use_cache=False).logits
    finally:
        for handle in handles:
            handle.remove()


def text_by_hand(module: Any, prompts: torch.Tensor, n_new: int, rows: Sequence[Sequence[Rule]]) -> torch.Tensor:
    """Return the prompts followed by the most likely tokens, every pass over the whole of each row."""
    tokens = prompts
    for _ in range(n_new):
        best = logits_by_hand(module, tokens, prompts.shape[1], rows)[:, -1].argmax(-1, keepdim=True)
        tokens = torch.cat([tokens, best], dim=1)
    return tokens
