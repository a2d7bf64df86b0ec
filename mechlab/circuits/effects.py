"""Effects of edits on the outcomes of prompts: each prompt is run clean and under every edit, and compared with itself.

1. A trial opens its edit for a batch of prompt pairs; all outcomes are read from the same pass.
2. An effect is the outcome under the edit less the clean one, prompt by prompt, so that intervals can be paired.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from mechlab.circuits.outcomes import Outcome
from mechlab.core.errors import UsageError
from mechlab.corpora.tasks.pairs import PromptPairs
from mechlab.interventions.head_changes import head_site
from mechlab.models.language_model import LanguageModel
from mechlab.models.sites import Head


class Asked:
    """A model and the prompt pairs of one pass; what heads write in the corrupted prompts is found when asked for."""

    def __init__(self, model: LanguageModel, pairs: PromptPairs) -> None:
        self.model, self.pairs = model, pairs
        self._noted: dict[str, Tensor] = {}

    def corrupted_at(self, site: str, among: Sequence[str] = ()) -> Tensor:
        """Return what a site holds in the corrupted prompts; others it is `among` are noted in the same pass."""
        if site not in self._noted:
            sites = list(dict.fromkeys((site, *among)))
            self._noted |= self.model.activations(self.pairs.corrupted.to(self.model.device), sites)
        return self._noted[site]

    def corrupted(self, head: Head) -> Float[Tensor, "n pos d_model"]:
        """Return what a head writes in the corrupted prompts."""
        return self._corrupted[str(head_site(self.model, head))]

    @cached_property
    def _corrupted(self) -> dict[str, Tensor]:
        spec = self.model.spec
        heads = [f"head.{layer}.{head}" for layer in range(spec.n_layers) for head in range(spec.n_heads)]
        return self.model.activations(self.pairs.corrupted.to(self.model.device), heads)


@runtime_checkable
class Trial(Protocol):
    """Something done to a model while it reads a batch."""

    def __call__(self, asked: Asked) -> AbstractContextManager[Any]:
        """Return a context in which it is done."""
        ...


@dataclass(frozen=True, eq=False)
class Effects:
    """What trials did to each prompt.

    Attributes:
        trials: their names, in order.
        clean: outcome -> its value in every clean prompt.
        changes: outcome -> for every trial and prompt, the outcome less the clean one.
        facts: what each prompt was made from.
    """

    trials: tuple[str, ...]
    clean: dict[str, Float64[Tensor, "n"]]
    changes: dict[str, Float64[Tensor, "n_trials n"]]
    facts: tuple[Mapping[str, Any], ...]

    def of(self, trial: str, outcome: str) -> Float64[Tensor, "n"]:
        """Return a trial's effect on an outcome of every prompt.

        Raises:
            UsageError: there is no such trial or outcome.
        """
        for name, known in ((trial, self.trials), (outcome, tuple(self.changes))):
            if name not in known:
                raise UsageError("no such effect was measured", value=name, remedy=f"Known: {', '.join(known[:20])}.")
        return self.changes[outcome][self.trials.index(trial)]


@torch.no_grad()
def effects(
    model: LanguageModel,
    batches: Sequence[PromptPairs],
    trials: Mapping[str, Trial],
    outcomes: Sequence[Outcome],
    *,
    rows_at_once: int = 256,
) -> Effects:
    """Return what every trial does to every prompt's outcomes.

    Args:
        model: who is asked; open edits apply to clean passes too.
        batches: the prompts; the clean ones are read.
        trials: by name.
        outcomes: what is measured.
        rows_at_once: how many prompts in a pass.

    Raises:
        UsageError: there is no prompt, or an outcome's name is there twice.
    """
    names = [outcome.name for outcome in outcomes]
    if not sum(map(len, batches)) or len(set(names)) < len(names):
        value = f"{sum(map(len, batches))} prompts, outcomes {', '.join(names)}"
        raise UsageError("nothing to measure effects on", value=value, remedy="Pass prompts, each outcome once.")
    clean, changed = [], []
    for pairs in passes(batches, rows_at_once):
        asked = Asked(model, pairs)
        clean.append(_measured(asked, nullcontext(), outcomes))
        changed.append([_measured(asked, trial(asked), outcomes) for trial in trials.values()])
    before = {name: torch.cat([part[name] for part in clean]) for name in names}
    after = {name: _stacked([[one[name] for one in part] for part in changed], len(trials)) for name in names}
    return Effects(
        tuple(trials),
        before,
        {name: after[name] - before[name] for name in names},
        tuple(facts for pairs in batches for facts in pairs.facts),
    )


def passes(batches: Sequence[PromptPairs], rows_at_once: int) -> Iterator[PromptPairs]:
    """Yield the prompts in order, so many at most at once."""
    for pairs in batches:
        for begin in range(0, len(pairs), rows_at_once):
            yield pairs.select(slice(begin, begin + rows_at_once))


def _measured(
    asked: Asked, opened: AbstractContextManager[Any], outcomes: Sequence[Outcome]
) -> dict[str, Float64[Tensor, "n"]]:
    sites = dict.fromkeys(site for outcome in outcomes for site in outcome.sites)
    with opened, asked.model.read(*sites) as read:
        logits = asked.model.logits(asked.pairs.clean.to(asked.model.device))[:, -1]
    return {outcome.name: outcome.of(logits, read, asked.pairs).double().cpu() for outcome in outcomes}


def _stacked(parts: Sequence[Sequence[Tensor]], n_trials: int) -> Float64[Tensor, "n_trials n"]:
    """Return the parts of every trial one after another, a row for each trial."""
    return torch.stack([torch.cat([part[trial] for part in parts]) for trial in range(n_trials)])
