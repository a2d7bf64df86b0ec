"""Make the model act as if in another state: put that state's codes at its last token, and look at what comes next.

1. Two walks end in two states; the machine's next states differ.
2. At some sites the first walk's codes become the second walk's: at the token that completes the state (`state`), or
   there and at the digit that follows (`state and digit`).
3. The distribution over next digits, and over next states, is compared with the second walk's own, by Jensen-Shannon
   divergence.
4. Divided by that without any change: 1 is no effect, 0 is the other state altogether.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from mechlab.core.randomness import torch_generator
from mechlab.corpora.tokfsm.machine import Machine
from mechlab.corpora.tokfsm.rollouts import rollouts
from mechlab.interventions.codebook_model import CodebookModel

N_STATES_BEFORE = 6


@dataclass(frozen=True)
class Next:
    """Probabilities of the next digit, and of the next state."""

    digits: Tensor
    states: Tensor

    def left(self, before: "Next", wanted: "Next") -> dict[str, float]:
        """Return the mean divergence from what is wanted over that before."""
        parts = {"next digit": "digits", "next state": "states"}
        return {
            name: float(
                divergence(getattr(self, own), getattr(wanted, own)).mean()
                / divergence(getattr(before, own), getattr(wanted, own)).mean()
            )
            for name, own in parts.items()
        }


@torch.no_grad()
def left_of_the_difference(model: CodebookModel, machine: Machine, n_pairs: int, seed: int) -> dict[str, dict]:
    """Return, by set of sites and by where codes are exchanged, what is left of the difference between two states."""
    length = 1 + N_STATES_BEFORE * machine.n_digits
    draw = torch_generator(seed, "pairs")
    here, there = (grown(machine, rollouts(machine, n_pairs, length, draw)) for _ in range(2))
    before, wanted, donor = (next_of(model, machine, here), next_of(model, machine, there), model.codes(there))
    places = {"state": [length - 1], "state and digit": [length - 1, length]}
    found: dict[str, dict] = {}
    for name, sites in sets_of_sites(model).items():
        for where, at in places.items() if sites else ():
            with model.edit_codes({site: exchanging(donor[site], at) for site in sites}):
                after = next_of(model, machine, here)
            found[f"{name}, {where}"] = after.left(before, wanted)
    return found


def sets_of_sites(model: CodebookModel) -> dict[str, list[str]]:
    """Return the sets whose codes are exchanged together."""
    mlps = [site for site in model.codebooks if site.startswith("mlp")]
    heads = [site for site in model.codebooks if site.startswith("z")]
    return {"all MLPs": mlps, "last MLP": mlps[-1:], "all attention": heads}


def exchanging(donor: Tensor, places: list[int]) -> Callable[[Tensor], Tensor]:
    """Return an edit that puts the donor's codes at some positions."""

    def put(ids: Tensor) -> Tensor:
        ids[:, places] = donor[:, places]
        return ids

    return put


def grown(machine: Machine, tokens: Tensor) -> Tensor:
    """Return every row once for each digit that may follow it."""
    digits = torch.arange(machine.base).repeat_interleave(len(tokens))
    return torch.cat([tokens.repeat(machine.base, 1), digits[:, None]], dim=1)


def next_of(model: CodebookModel, machine: Machine, rows: Tensor) -> Next:
    """Return what rows grown by each digit give: the first digit, and times it the second digit behind it."""
    logits = model.logits(rows)[:, -2:, : machine.base]
    probabilities = logits.softmax(-1).view(machine.base, -1, 2, machine.base)
    first, second = probabilities[0, :, 0], probabilities[:, :, 1].transpose(0, 1)
    return Next(first, (first[:, :, None] * second).flatten(1))


def divergence(one: Tensor, other: Tensor) -> Tensor:
    """Return the Jensen-Shannon divergence of each pair of rows, in nats."""
    middle = (one + other) / 2
    parts = [torch.special.xlogy(side, side / middle).nansum(-1) for side in (one, other)]
    return sum(parts) / 2
