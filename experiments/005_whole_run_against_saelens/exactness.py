"""How far the first updates in float32 end from the same updates in float64, which SAELens's own trainer computes.

The first step's gradients are compared too: Adam turns a gradient near zero, whose sign is rounding, into a step of
full length, so that parameters may part where gradients do not. Of gradients directions are compared, and lengths
by themselves: clipping divides them by a norm that is a float32 sum of 25 million squares.
"""

from collections.abc import Iterator

import torch
from cases import CASES, Case, Ours, Theirs, batch
from torch import Tensor

N_STEPS = 4
Named = dict[str, Tensor]


def rows(picked: str) -> Iterator[dict]:
    """Yield a row for each case whose name holds the word."""
    torch.set_num_threads(1)
    for case in CASES:
        if picked in case.name:
            yield compared(case)


def compared(case: Case) -> dict:
    """Return how far each side's float32 is from float64: in the first gradients, and in the parameters' change."""
    ours = Ours(case, batch())
    start = ours.parameters()
    exact_gradients, exact_end = stepped(Theirs(case, start, torch.float64))
    exact_direction = of_length_one(exact_gradients)
    change = {name: value - start[name] for name, value in exact_end.items()}
    row = {"case": case.name, "steps": N_STEPS}
    for name, side in {"mechlab": ours, "saelens": Theirs(case, start)}.items():
        gradients, end = stepped(side)
        row[name] = {
            "gradients": apart(of_length_one(gradients), exact_direction, exact_direction),
            "gradients_length": length(gradients) / length(exact_gradients) - 1,
            "parameters": apart(end, exact_end, change),
            "by_tensor": {tensor: apart({tensor: end[tensor]}, exact_end, change) for tensor in change},
        }
    return row


def stepped(side: Ours | Theirs) -> tuple[Named, Named]:
    """Return Adam's first moments after one step, which are a tenth of the gradients, and the trained parameters."""
    given = batch()
    side.step(given)
    gradients = side.first_moments()
    for _ in range(N_STEPS - 1):
        side.step(given)
    end = side.parameters()
    return gradients, {name: end[name] for name in gradients}


def apart(found: Named, exact: Named, whole: Named) -> float:
    """Return the distance of all tensors together as a part of the length of `whole`."""
    missed = {name: found[name].double() - exact[name] for name in found}
    return length(missed) / length({name: whole[name] for name in found})


def length(tensors: Named) -> float:
    """Return the length of all tensors together."""
    return sum(float(tensor.double().square().sum()) for tensor in tensors.values()) ** 0.5


def of_length_one(tensors: Named) -> Named:
    """Return the tensors' common direction."""
    whole = length(tensors)
    return {name: tensor.double() / whole for name, tensor in tensors.items()}
