"""What an edit is worth on lists and rows that played no part in choosing it.

1. The edit is written into the weights of a copy; both models answer the same lists, and the gain is the mean of the
   paired differences, redrawn over lists.
2. Lengths the model knows, and the sentences it was trained on, tell what the edit breaks; the corpus tells its cost.
3. At equal norm: drawn directions of the same heads, edited so that the circuit changes by as much.
"""

from dataclasses import dataclass
from typing import Any

from components import Component, drawn_like
from jaxtyping import Bool
from lists import Lists
from searching import Choice, Choices
from torch import Tensor

from mechlab.circuits.channels.head_circuits import HeadCircuits
from mechlab.core.estimate import Estimate
from mechlab.core.randomness import torch_generator
from mechlab.corpora.rows import TokenRows
from mechlab.interventions.component_weights import with_components
from mechlab.metrics.bootstrap import mean_estimate
from mechlab.metrics.next_token import RowLosses, row_losses, times_as_much
from mechlab.metrics.prompt_scores import PromptScores, prompt_scores
from mechlab.models.language_model import LanguageModel


@dataclass
class Court:
    """A model and what it is judged on; what it does without any edit is kept.

    Attributes:
        lists: by what they are called; all carry the fact `n_items`.
        rows: held-out text.
    """

    model: LanguageModel
    lists: dict[str, Lists]
    rows: TokenRows

    def __post_init__(self) -> None:
        self.before: dict[str, PromptScores] = {
            name: prompt_scores(self.model, own) for name, own in self.lists.items()
        }
        self.cost: RowLosses = row_losses(self.model, self.rows)

    def judged(self, choices: Choices) -> dict[str, Any]:
        """Return accuracy before and after on each kind of lists, gains by length, and the loss on the corpus."""
        other = with_components(self.model, [one.edit() for one in choices])
        found: dict[str, Any] = {"nll_times": plain(times_as_much(row_losses(other, self.rows), self.cost))}
        for name, own in self.lists.items():
            found[name] = compared(self.before[name], prompt_scores(other, own))
        return found

    def gain(self, choices: Choices, name: str) -> float:
        """Return the gain in accuracy on one kind of lists."""
        other = with_components(self.model, [one.edit() for one in choices])
        return float(difference(self.before[name].hits, prompt_scores(other, self.lists[name]).hits).value)


def compared(before: PromptScores, after: PromptScores) -> dict[str, Any]:
    """Return shares of hits before and after and the paired gain, over all lists and by length."""
    lengths, others = before.by("n_items"), after.by("n_items")
    return {
        **_shares(before, after),
        "by_length": {str(length): _shares(own, others[length]) for length, own in lengths.items()},
    }


def _shares(before: PromptScores, after: PromptScores) -> dict[str, Any]:
    return {
        "before": round(float(before.hits.double().mean()), 4),
        "after": round(float(after.hits.double().mean()), 4),
        "gain": plain(difference(before.hits, after.hits)),
        "n": len(before),
    }


def difference(before: Bool[Tensor, "n"], after: Bool[Tensor, "n"]) -> Estimate:
    """Return the mean of paired differences of hits, with the interval of lists redrawn."""
    found = mean_estimate(after.double() - before.double())
    assert found is not None
    return found


def at_equal_norm(circuits: HeadCircuits, choices: Choices, seed: int) -> Choices:
    """Return drawn directions of the same heads, whose edits change their circuits by as much."""
    draw = torch_generator(seed, "equal norm")
    return tuple(_as_much(one, drawn_like(circuits, one.component, draw)) for one in choices)


def _as_much(one: Choice, other: Component) -> Choice:
    ratio_of_sizes = one.component.size / other.size
    return Choice(other, 1 + (one.factor - 1) * ratio_of_sizes, one.constant * ratio_of_sizes)


def plain(found: Estimate | None) -> list[float] | None:
    """Return value, lower and upper bound."""
    return None if found is None else [round(one, 4) for one in (found.value, found.low, found.high)]


def named(choices: Choices) -> list[list[Any]]:
    """Return the components' names, their factors and constants."""
    return [[str(one.component), round(one.factor, 4), round(one.constant, 4)] for one in choices]
