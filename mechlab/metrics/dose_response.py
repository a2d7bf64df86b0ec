"""A way of steering at several strengths: what it does to texts at each, and which strength to take.

1. At every strength the same prompts are continued by the same draws, and judged by the model without any edit.
2. Strength 0, the model as it is, stands beside them: fluency is told as what a token costs more than in its texts.
3. Strengths are chosen on texts drawn for choosing, and told on others.
4. Whether more strength means more of the concept is told by the correlation of their ranks.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from jaxtyping import Float64
from torch import Tensor

from mechlab.core.errors import UsageError
from mechlab.core.estimate import Estimate
from mechlab.core.progress import SILENT, Progress
from mechlab.interventions.continuations import Continuation, continuations
from mechlab.metrics.agreement import rank_correlation
from mechlab.metrics.bootstrap import Totals, Values, estimate
from mechlab.metrics.concepts import Concept
from mechlab.metrics.pareto import pareto_front
from mechlab.metrics.written_text import WrittenText, judge_texts, losses_of_texts
from mechlab.models.language_model import LanguageModel

Edit = Callable[[], AbstractContextManager[object]]


@dataclass(frozen=True)
class Writing:
    """How texts are drawn.

    Attributes:
        prompts: what they begin with.
        n_each: texts behind each prompt.
        n_tokens: tokens added.
        temperature: of the draws.
        seed: of the draws; texts for choosing and for judging need different ones.
    """

    prompts: tuple[str, ...]
    n_each: int = 20
    n_tokens: int = 60
    temperature: float = 1.0
    seed: int = 0

    def texts(self, model: LanguageModel, edit: Edit = nullcontext, said_before: str = "") -> tuple[Continuation, ...]:
        """Return texts written under an edit; what was `said_before` the prompts is cut off again.

        Raises:
            UsageError: there is nothing to write, or it would outgrow the model's context.
        """
        prompts = [f"{said_before} {prompt}".strip() if said_before else prompt for prompt in self.prompts]
        with edit():
            found = continuations(
                model, prompts, self.n_each, self.n_tokens, temperature=self.temperature, seed=self.seed
            )
        if not said_before:
            return found
        own = [model.to_tokens(prompt) for prompt in self.prompts]
        cut = [
            torch.cat([ids.cpu().expand(len(one.tokens), -1), one.written], 1)
            for ids, one in zip(own, found, strict=True)
        ]
        return tuple(Continuation(tokens, ids.shape[1]) for tokens, ids in zip(cut, own, strict=True))


@dataclass(frozen=True)
class Way:
    """A way of steering.

    Attributes:
        name: of the way.
        edits: what opens it, by strength, the weakest first.
        said_before: what is said before every prompt: prompting, the way that needs no edit.
    """

    name: str
    edits: Mapping[float, Edit]
    said_before: str = ""


@dataclass(frozen=True)
class Dose:
    """What one strength does.

    Attributes:
        strength: in the way's own unit; 0 is the model as it is.
        text: what its texts are worth.
        nll_increase: what a token of them costs the unedited model, as a part more than in texts of the model as it is.
    """

    strength: float
    text: WrittenText
    nll_increase: Estimate | None


@dataclass(frozen=True, eq=False)
class Reference:
    """What the model as it is writes: its dose, and what its tokens cost it."""

    dose: Dose
    losses: Float64[Tensor, "n_texts 2"]

    @staticmethod
    def of(model: LanguageModel, concept: Concept | str, writing: Writing) -> "Reference":
        """Return it for texts about a concept, so that several ways are held against the same texts."""
        texts = writing.texts(model)
        losses = losses_of_texts(model, texts)
        return Reference(
            Dose(0.0, judge_texts(model, texts, concept, losses=losses), _increase(losses, losses)), losses
        )


def dose_response(
    model: LanguageModel,
    way: Way,
    concept: Concept | str,
    writing: Writing,
    *,
    reference: Reference | None = None,
    progress: Progress = SILENT,
) -> tuple[Dose, ...]:
    """Return what a way does at strength 0 and at each of its strengths.

    Args:
        model: who writes, and without any edit who judges.
        way: how it is steered.
        concept: what the texts should be about.
        writing: how texts are drawn.
        reference: what the model as it is writes, for this concept and writing, if that is known.
        progress: where to report.

    Raises:
        UsageError: a strength is 0 or not finite, or there is nothing to write.

    Source: the judge-free protocol that steering work asks for: concept, fluency under the unsteered model,
    repetition and variety at each strength; paired draws and intervals are ours.
    """
    if any(strength == 0 or not math.isfinite(strength) for strength in way.edits):
        remedy = "Give finite ones; 0, the model as it is, is there by itself."
        raise UsageError("no strength to steer with", value=list(way.edits), remedy=remedy)
    reference = reference or Reference.of(model, concept, writing)
    found = [reference.dose]
    with progress.task(f"steering by {way.name}", len(way.edits), "strengths") as task:
        for strength, edit in way.edits.items():
            texts = writing.texts(model, edit, way.said_before)
            losses = losses_of_texts(model, texts)
            told = judge_texts(model, texts, concept, losses=losses)
            found.append(Dose(strength, told, _increase(losses, reference.losses)))
            task.advance(1)
    return tuple(found)


def best_dose(doses: Sequence[Dose], *, wanted: float = 0.8, most_increase: float = 0.15) -> Dose:
    """Return the dose to take.

    Of those that cost no more than allowed and have as much of the concept as wanted, the most fluent; of those that
    only cost no more than allowed, the one with most of the concept. The model as it is costs nothing, so there is one.

    Args:
        doses: at the strengths tried, 0 among them.
        wanted: concept score that is enough.
        most_increase: how much more a token may cost, as a part.
    """
    allowed = [one for one in doses if one.nll_increase is not None and one.nll_increase.value <= most_increase]
    if not allowed:
        raise UsageError("no dose is fluent enough", value=most_increase, remedy="Give the doses with strength 0.")
    enough = [one for one in allowed if one.text.concept.value >= wanted]
    if enough:
        return min(enough, key=lambda one: one.nll_increase.value)  # type: ignore[union-attr]
    return max(allowed, key=lambda one: one.text.concept.value)


def front(doses: Sequence[Dose]) -> tuple[int, ...]:
    """Return the places of doses that no other beats in fluency and concept at once, the most fluent first."""
    told = [place for place, one in enumerate(doses) if one.nll_increase is not None]
    points = [(doses[place].nll_increase.value, doses[place].text.concept.value) for place in told]  # type: ignore[union-attr]
    return tuple(told[place] for place in pareto_front(points))


def monotone(doses: Sequence[Dose]) -> float | None:
    """Return the rank correlation of strengths with concept scores: 1 where more always means more.

    Returns:
        None where it is undefined: fewer than two strengths, or equal scores.
    """
    return rank_correlation([one.strength for one in doses], [one.text.concept.value for one in doses])


def _increase(losses: Float64[Tensor, "n 2"], reference: Float64[Tensor, "n 2"]) -> Estimate | None:
    def of(totals: Totals) -> Values:
        return (totals[:, 0] / totals[:, 1]) / (totals[:, 2] / totals[:, 3]) - 1

    return estimate(torch.cat([losses, reference], dim=1), of)
