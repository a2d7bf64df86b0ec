"""The machine: a random directed graph whose states are written as digits."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Int, Int64
from torch import Tensor

from mechlab.core.errors import UsageError

NO_STATE = -1


@dataclass(frozen=True, eq=False)
class Machine:
    """A graph in which every state has equally many successors, all equally likely.

    Source: Codebook Features (arXiv 2310.17230), the TokFSM data set: 100 states of two digits, 10 successors each.

    Attributes:
        successors: the distinct states that may follow each state.
        base: number of digits in the alphabet; digit i is token i.
        n_digits: digits per state, the most significant first.

    Raises:
        UsageError: the digits cannot write every state, or a state's successors are no distinct states.
    """

    successors: Int64[Tensor, "n_states n_edges"]
    base: int = 10
    n_digits: int = 2

    def __post_init__(self) -> None:
        _refuse_few_digits(self.n_states, self.base, self.n_digits)
        ordered = self.successors.sort(dim=1).values
        in_range = bool(((ordered >= 0) & (ordered < self.n_states)).all())
        if not in_range or self.n_edges < 1 or bool((ordered.diff(dim=1) == 0).any()):
            remedy = f"Each row names one or more different states from 0 to {self.n_states - 1}."
            raise UsageError("successors are no distinct states", remedy=remedy)

    @classmethod
    def drawn(
        cls, n_states: int = 100, n_edges: int = 10, base: int = 10, seed: int = 42, *, n_digits: int = 2
    ) -> "Machine":
        """Return a machine with random successors; the defaults draw the paper's machine.

        Raises:
            UsageError: there are fewer states than successors, or more states than the digits can write.
        """
        _refuse_few_digits(n_states, base, n_digits)
        if not 1 <= n_edges <= n_states:
            raise UsageError("cannot draw that many successors", value=n_edges, remedy=f"From 1 to {n_states}.")
        # The paper's own stream of draws: a generator made from a purpose would draw another machine.
        generator = np.random.default_rng(seed)
        rows = [generator.choice(n_states, size=n_edges, replace=False) for _ in range(n_states)]
        return cls(torch.from_numpy(np.stack(rows)), base, n_digits)

    @property
    def n_states(self) -> int:
        """Return the number of states."""
        return self.successors.shape[0]

    @property
    def n_edges(self) -> int:
        """Return the number of successors of each state."""
        return self.successors.shape[1]

    @property
    def d_vocab(self) -> int:
        """Return the number of tokens: the digits and BOS."""
        return self.base + 1

    @property
    def bos_id(self) -> int:
        """Return the token that opens a row."""
        return self.base

    @property
    def edges(self) -> Bool[Tensor, "n_states n_states"]:
        """Return whether the column's state may follow the row's state."""
        none = torch.zeros(self.n_states, self.n_states, dtype=torch.bool)
        return none.scatter(1, self.successors, True)

    @property
    def trigrams(self) -> Int64[Tensor, "n_trigrams n_tokens"]:
        """Return the distinct windows of a state's digits and the first digit of a legal successor.

        With two digits per state these are the valid three-token windows that open at a state's first digit; the
        paper's machine has 686 of them. Windows that open inside a state are not counted.
        """
        states = torch.arange(self.n_states).repeat_interleave(self.n_edges)
        nexts = self.tokens_of(self.successors.reshape(-1, 1))
        return torch.cat([self.tokens_of(states[:, None]), nexts[:, :1]], dim=1).unique(dim=0)

    def tokens_of(self, states: Int64[Tensor, "*batch n"]) -> Int64[Tensor, "*batch n_tokens"]:
        """Return the states' digits."""
        return (states[..., None] // self._places(states.device) % self.base).flatten(-2)

    def states_of(self, tokens: Int[Tensor, "*batch n_tokens"]) -> Int64[Tensor, "*batch n"]:
        """Return the states the digits write, -1 where they write none; a last state cut short is left out.

        Args:
            tokens: tokens that open at a state's first digit, BOS left out.
        """
        n = tokens.shape[-1] // self.n_digits
        digits = tokens[..., : n * self.n_digits].long().unflatten(-1, (n, self.n_digits))
        states = (digits * self._places(tokens.device)).sum(dim=-1)
        written = ((digits >= 0) & (digits < self.base)).all(dim=-1) & (states < self.n_states)
        return states.where(written, NO_STATE)

    def _places(self, device: torch.device) -> Int64[Tensor, " n_digits"]:
        """Return what a digit is worth at each place."""
        return torch.tensor([self.base**power for power in reversed(range(self.n_digits))], device=device)


def _refuse_few_digits(n_states: int, base: int, n_digits: int) -> None:
    if not 1 <= n_states <= base**n_digits:
        remedy = f"{n_digits} digits of base {base} write from 1 to {base**n_digits}."
        raise UsageError("cannot write that many states", value=n_states, remedy=remedy)
