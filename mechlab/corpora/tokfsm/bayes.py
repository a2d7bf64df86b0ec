"""The best possible predictor of a machine's rollouts, by exact enumeration.

1. A digit's predictor knows the state before, and the digits of its own state so far; older states tell no more.
2. Given the state before, the loss at a digit is the entropy of the prefix it completes minus that of the prefix it
   continues; the accuracy is the mass of each prefix's likeliest continuation.
3. The start is uniform, and each step moves the distribution over states along the edges.
4. A digit's mean is the mean of step 2 over the distribution of the state before it.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float64
from torch import Tensor

from mechlab.corpora.tokfsm.machine import Machine
from mechlab.corpora.tokfsm.rollouts import n_steps_in


@dataclass(frozen=True, eq=False)
class BayesOptimum:
    """The expected scores of the true distribution as a predictor; no model does better on average.

    Attributes:
        losses_nats: cross-entropy of each prediction of a row; the first predicts the token behind BOS.
        accuracies: share of first guesses that are right, for each prediction.
    """

    losses_nats: Float64[Tensor, " n_predictions"]
    accuracies: Float64[Tensor, " n_predictions"]

    @property
    def loss_nats(self) -> float:
        """Return the mean loss over a row's predictions, in nats per token."""
        return self.losses_nats.mean().item()

    @property
    def accuracy(self) -> float:
        """Return the mean accuracy over a row's predictions, from 0 to 1."""
        return self.accuracies.mean().item()


def bayes_optimum(machine: Machine, row_length: int) -> BayesOptimum:
    """Return the optimum on rollouts of `row_length` tokens, BOS included: `row_length - 1` predictions.

    Raises:
        UsageError: a row has no place for a digit.
    """
    transitions = machine.edges.double() / machine.n_edges
    visits = _visits(transitions, n_steps_in(machine, row_length))
    first_losses, first_accuracies = _by_digit(machine, visits[:1])
    losses, accuracies = _by_digit(machine, transitions)
    return BayesOptimum(
        torch.cat([first_losses, visits[:-1] @ losses]).flatten()[: row_length - 1],
        torch.cat([first_accuracies, visits[:-1] @ accuracies]).flatten()[: row_length - 1],
    )


def _visits(transitions: Float64[Tensor, "n_states n_states"], n_steps: int) -> Float64[Tensor, "n_steps n_states"]:
    """Return the probability of each state at each step of a walk."""
    n_states = transitions.shape[0]
    visits = [torch.full((n_states,), 1 / n_states, dtype=torch.float64)]
    for _ in range(n_steps - 1):
        visits.append(visits[-1] @ transitions)
    return torch.stack(visits)


def _by_digit(
    machine: Machine, chances: Float64[Tensor, "n n_states"]
) -> tuple[Float64[Tensor, "n n_digits"], Float64[Tensor, "n n_digits"]]:
    """Return the loss and the accuracy at each digit of a state drawn from each row of chances."""
    prefixes = [_prefixes(machine, chances, n_kept) for n_kept in range(machine.n_digits + 1)]
    entropies = torch.stack([torch.special.entr(prefix).sum(dim=1) for prefix in prefixes], dim=1)
    likeliest = [prefix.unflatten(1, (-1, machine.base)).amax(dim=2).sum(dim=1) for prefix in prefixes[1:]]
    return entropies.diff(dim=1), torch.stack(likeliest, dim=1)


def _prefixes(machine: Machine, chances: Float64[Tensor, "n n_states"], n_kept: int) -> Float64[Tensor, "n n_prefixes"]:
    """Return the probability of each value of a state's first `n_kept` digits."""
    prefix = torch.arange(machine.n_states) // machine.base ** (machine.n_digits - n_kept)
    return chances.new_zeros(chances.shape[0], machine.base**n_kept).index_add(1, prefix, chances)
