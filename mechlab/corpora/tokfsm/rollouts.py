"""Rollouts: random walks on a machine as token rows, and the state each token belongs to."""

from math import ceil
from typing import NamedTuple

import torch
from jaxtyping import Bool, Int, Int64
from torch import Tensor

from mechlab.core.errors import UsageError
from mechlab.corpora.tokfsm.machine import NO_STATE, Machine


class StateLabels(NamedTuple):
    """What is known of each token of a row.

    Attributes:
        states: the state whose digits the token is one of, -1 for BOS, for digits that write no state and for a
            state cut short.
        completes: true at the last digit of a state, from where on a reader of the row knows it.
    """

    states: Int64[Tensor, "n_rows pos"]
    completes: Bool[Tensor, "n_rows pos"]


def paths(machine: Machine, n_rows: int, n_steps: int, generator: torch.Generator) -> Int64[Tensor, "n_rows n_steps"]:
    """Return walks of `n_steps` states from a uniformly drawn start, on the generator's device."""
    device = generator.device
    successors = machine.successors.to(device).flatten()
    choices = torch.randint(machine.n_edges, (n_steps - 1, n_rows), generator=generator, device=device)
    walk = [torch.randint(machine.n_states, (n_rows,), generator=generator, device=device)]
    for choice in choices:
        walk.append(successors[walk[-1] * machine.n_edges + choice])
    return torch.stack(walk, dim=1)


def rollouts(machine: Machine, n_rows: int, row_length: int, generator: torch.Generator) -> Int64[Tensor, "n_rows pos"]:
    """Return rows of BOS and the digits of one walk each, on the generator's device.

    Args:
        machine: the graph to walk on.
        n_rows: number of rows.
        row_length: tokens per row, BOS included; the last state is cut where the row ends.
        generator: decides start states and transitions.

    Raises:
        UsageError: a row has no place for a digit.
    """
    walks = paths(machine, n_rows, n_steps_in(machine, row_length), generator)
    opened = torch.full((n_rows, row_length), machine.bos_id, device=walks.device)
    opened[:, 1:] = machine.tokens_of(walks)[:, : row_length - 1]
    return opened


def state_labels(machine: Machine, tokens: Int[Tensor, "n_rows pos"]) -> StateLabels:
    """Return the state each token belongs to, for rows of BOS and digits such as `rollouts` gives."""
    found = machine.states_of(tokens[:, 1:])
    n_labelled = found.shape[1] * machine.n_digits
    states = torch.full(tokens.shape, NO_STATE, device=tokens.device)
    states[:, 1 : 1 + n_labelled] = found.repeat_interleave(machine.n_digits, dim=1)
    completes = torch.zeros_like(tokens, dtype=torch.bool)
    completes[:, machine.n_digits :: machine.n_digits] = found != NO_STATE
    return StateLabels(states, completes)


def n_steps_in(machine: Machine, row_length: int) -> int:
    """Return how many states a row shows, the one cut by its end included.

    Raises:
        UsageError: a row has no place for a digit.
    """
    if row_length < 2:
        raise UsageError("row has no place for a digit", value=row_length, remedy="Rows need at least 2 tokens.")
    return ceil((row_length - 1) / machine.n_digits)
