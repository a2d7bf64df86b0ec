"""Scores of a model on prompt pairs: how often, and by how much, it prefers the right answers at the last position.

1. The logits at `END` are read for the candidates of each prompt.
2. Each prompt gets a hit among the candidates, a hit in the whole vocabulary, and two margins.
3. Shares of hits carry Wilson intervals; means of margins are bootstrapped over prompts.
4. The null predictor knows the candidates but not which is right: right answers are dealt out anew in each prompt.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from jaxtyping import Bool, Float, Float64
from scipy.stats import binomtest
from torch import Tensor

from mechlab.core.errors import UsageError
from mechlab.core.estimate import Estimate
from mechlab.core.randomness import torch_generator
from mechlab.corpora.tasks.pairs import PromptPairs
from mechlab.corpora.tasks.preference import logit_difference, probability_difference
from mechlab.metrics.bootstrap import mean_estimate
from mechlab.models.language_model import LanguageModel


@dataclass(frozen=True, eq=False)
class PromptScores:
    """What a model did on each prompt.

    Attributes:
        hits: whether a right candidate's logit is above that of every wrong one; a tie is none.
        top_1: whether a right candidate's logit is above that of every other token of the vocabulary.
        logit_differences: in nats.
        probability_differences: between -1 and 1.
        facts: what each prompt was made from.
    """

    hits: Bool[Tensor, "n"]
    top_1: Bool[Tensor, "n"]
    logit_differences: Float64[Tensor, "n"]
    probability_differences: Float64[Tensor, "n"]
    facts: tuple[Mapping[str, Any], ...]

    def __len__(self) -> int:
        return len(self.facts)

    def estimates(self, seed: int = 0) -> dict[str, Estimate]:
        """Return accuracy, top-1 accuracy, logit difference and probability difference, with 95 % intervals.

        Source: Wilson 1927 for the shares; the means are redrawn over prompts.
        """
        return {
            "accuracy": share(self.hits),
            "top_1_accuracy": share(self.top_1),
            "logit_difference": _mean(self.logit_differences, "nats", seed),
            "probability_difference": _mean(self.probability_differences, "", seed),
        }

    def by(self, fact: str) -> dict[Hashable, "PromptScores"]:
        """Return the scores of the prompts with each value of a fact, the values in order.

        Raises:
            UsageError: some prompt has no such fact; the message lists those it has.
        """
        lacking = next((facts for facts in self.facts if fact not in facts), None)
        if lacking is not None:
            raise UsageError("prompts have no such fact", value=fact, remedy=f"Known: {', '.join(lacking)}.")
        values = [facts[fact] for facts in self.facts]
        return {value: self._select([other == value for other in values]) for value in sorted(set(values))}

    def _select(self, wanted: Sequence[bool]) -> "PromptScores":
        rows = torch.tensor(wanted).nonzero()[:, 0]
        facts = tuple(self.facts[row] for row in rows.tolist())
        margins = (self.logit_differences[rows], self.probability_differences[rows])
        return PromptScores(self.hits[rows], self.top_1[rows], *margins, facts)


def scored(logits: Float[Tensor, "n d_vocab"], pairs: PromptPairs) -> PromptScores:
    """Return the scores of the logits at `END`, against the answers of the clean prompts.

    Raises:
        UsageError: a prompt has no right or no wrong candidate, or a logit is not a number.
    """
    _refuse_one_sided(pairs)
    if logits.isnan().any():
        raise UsageError("logits are not numbers", value=f"{int(logits.isnan().any(1).sum())} prompts")
    logits = logits.detach().float()
    candidates, is_right = pairs.candidates.to(logits.device), pairs.is_right.to(logits.device)
    asked = logits.gather(1, candidates)
    best_right = asked.masked_fill(~is_right, -torch.inf).amax(1)
    best_wrong = asked.masked_fill(is_right, -torch.inf).amax(1)
    best_other = logits.scatter(1, candidates, asked.masked_fill(is_right, -torch.inf)).amax(1)
    return PromptScores(
        (best_right > best_wrong).cpu(),
        (best_right > best_other).cpu(),
        logit_difference(logits, candidates, is_right).double().cpu(),
        probability_difference(logits, candidates, is_right).double().cpu(),
        pairs.facts,
    )


@torch.no_grad()
def prompt_scores(
    model: LanguageModel,
    batches: Sequence[PromptPairs],
    *,
    prompts: Literal["clean", "corrupted"] = "clean",
    rows_at_once: int = 64,
) -> PromptScores:
    """Return a model's scores over all batches together, against the answers of the clean prompts.

    Args:
        model: what is asked; open edits apply.
        batches: the pairs, of any lengths.
        prompts: which prompts the model reads.
        rows_at_once: how many in a pass.

    Raises:
        UsageError: there is no prompt, or as for `scored`.
    """
    if not sum(map(len, batches)):
        raise UsageError("no prompts to score", value=len(batches), remedy="Pass the batches a task gave.")
    parts = []
    for pairs in batches:
        for begin in range(0, len(pairs), rows_at_once):
            some = pairs.select(slice(begin, begin + rows_at_once))
            tokens = some.clean if prompts == "clean" else some.corrupted
            parts.append(scored(model.logits(tokens.to(model.device))[:, -1], some))
    return joined(parts)


def joined(parts: Sequence[PromptScores]) -> PromptScores:
    """Return the scores of several batches as one."""
    return PromptScores(
        torch.cat([part.hits for part in parts]),
        torch.cat([part.top_1 for part in parts]),
        torch.cat([part.logit_differences for part in parts]),
        torch.cat([part.probability_differences for part in parts]),
        tuple(facts for part in parts for facts in part.facts),
    )


def shuffled_answers(batches: Sequence[PromptPairs], seed: int = 0) -> tuple[PromptPairs, ...]:
    """Return the pairs with as many right answers in each prompt, dealt out to its candidates at random.

    Scored against these, a model that knows only what the candidates are has chance accuracy.
    """
    generator = torch_generator(seed, "shuffled answers")
    orders = (torch.rand(pairs.is_right.shape, generator=generator).argsort(1) for pairs in batches)
    return tuple(
        replace(pairs, is_right=pairs.is_right.gather(1, order)) for pairs, order in zip(batches, orders, strict=True)
    )


def share(hits: Bool[Tensor, "n"]) -> Estimate:
    """Return the share of hits with its 95 % Wilson interval.

    Source: Wilson 1927, "Probable inference, the law of succession, and statistical inference".
    """
    n_hits, n = int(hits.sum()), len(hits)
    interval = binomtest(n_hits, n).proportion_ci(confidence_level=0.95, method="wilson")
    value = n_hits / n
    return Estimate(value=value, low=min(float(interval.low), value), high=max(float(interval.high), value), n=n)


def _mean(values: Float64[Tensor, "n"], unit: str, seed: int) -> Estimate:
    found = mean_estimate(values, unit=unit, seed=seed)
    if found is None:
        raise UsageError(
            "mean of a score is not finite", value=float(values.mean()), remedy="Look for infinite logits."
        )
    return found


def _refuse_one_sided(pairs: PromptPairs) -> None:
    one_sided = pairs.is_right.all(1) | ~pairs.is_right.any(1)
    if one_sided.any():
        remedy = "Every prompt needs a right and a wrong candidate; some corruptions leave the answer undefined."
        raise UsageError(f"prompts of {pairs.task} without an answer", value=int(one_sided.sum()), remedy=remedy)
