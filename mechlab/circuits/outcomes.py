"""Outcomes of a prompt: numbers a forward pass ends in, whose change under an edit is the edit's effect."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from mechlab.core.errors import UsageError
from mechlab.corpora.tasks.pairs import END, PromptPairs
from mechlab.corpora.tasks.preference import logit_difference, probability_difference
from mechlab.models.sites import Head


@runtime_checkable
class Outcome(Protocol):
    """A number for each prompt."""

    @property
    def name(self) -> str:
        """Return what it is called in tables."""
        ...

    @property
    def sites(self) -> tuple[str, ...]:
        """Return what has to be read in the pass."""
        ...

    def of(
        self, logits: Float[Tensor, "n d_vocab"], read: Mapping[str, Tensor], pairs: PromptPairs
    ) -> Float[Tensor, "n"]:
        """Return the number from the logits at the last position and what was read."""
        ...


@dataclass(frozen=True)
class LogitDifference:
    """The mean logit of the clean prompt's right answers less that of its wrong ones, in nats."""

    name: str = "logit_difference"
    sites: tuple[str, ...] = ()

    def of(
        self, logits: Float[Tensor, "n d_vocab"], read: Mapping[str, Tensor], pairs: PromptPairs
    ) -> Float[Tensor, "n"]:
        """Return it for each prompt."""
        return logit_difference(logits, pairs.candidates.to(logits.device), pairs.is_right.to(logits.device))


@dataclass(frozen=True)
class ProbabilityDifference:
    """The probability of the clean prompt's right answers together less that of its wrong ones."""

    name: str = "probability_difference"
    sites: tuple[str, ...] = ()

    def of(
        self, logits: Float[Tensor, "n d_vocab"], read: Mapping[str, Tensor], pairs: PromptPairs
    ) -> Float[Tensor, "n"]:
        """Return it for each prompt."""
        return probability_difference(logits, pairs.candidates.to(logits.device), pairs.is_right.to(logits.device))


@dataclass(frozen=True)
class AttentionDifference:
    """How much more a head looks from one role at another than at a third.

    Attributes:
        to: the role looked at.
        instead: the role whose attention is subtracted; None for nothing.
        at: the role that looks.
        scores: count scores before the softmax, not attention.

    Source: Merullo, Eickhoff & Pavlick 2024, "Talking Heads" (arXiv 2406.09519), whose inhibition score it is with IO
    and S1.
    """

    head: Head
    to: str = "IO"
    instead: str | None = "S1"
    at: str = END
    scores: bool = False

    @property
    def name(self) -> str:
        """Return such as `attention 3.1 END: IO - S1`."""
        kind = "scores" if self.scores else "attention"
        return f"{kind} {self.head[0]}.{self.head[1]} {self.at}: {self.to}" + f" - {self.instead}" * bool(self.instead)

    @property
    def sites(self) -> tuple[str, ...]:
        """Return the site of the head's layer."""
        return (f"{'scores' if self.scores else 'pattern'}.{self.head[0]}",)

    def of(
        self, logits: Float[Tensor, "n d_vocab"], read: Mapping[str, Tensor], pairs: PromptPairs
    ) -> Float[Tensor, "n"]:
        """Return it for each prompt.

        Raises:
            UsageError: the prompts have no such role.
        """
        seen = read[self.sites[0]][:, self.head[1]]
        rows = torch.arange(len(seen), device=seen.device)
        looks = seen[rows, position_of(pairs, self.at).to(seen.device)]
        more = looks[rows, position_of(pairs, self.to).to(seen.device)]
        return more if self.instead is None else more - looks[rows, position_of(pairs, self.instead).to(seen.device)]


def position_of(pairs: PromptPairs, role: str) -> Tensor:
    """Return where a role stands in each prompt.

    Raises:
        UsageError: the prompts have no such role.
    """
    if role not in pairs.positions:
        raise UsageError("prompts have no such role", value=role, remedy=f"Known: {', '.join(pairs.positions)}.")
    return pairs.positions[role]
