"""Ways of steering side by side on one concept: each at the strength that trial texts chose, all judged on fresh ones.

1. Every way climbs its ladder of strengths on texts drawn for choosing.
2. The strength it takes is the most fluent one that reaches the concept, as `best_dose` says.
3. On texts from other draws it is told, with the model as it is beside it, and what it costs on unrelated text.
4. Over several seeds, each way has the mean and its interval.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from mechlab.core.progress import SILENT, Progress
from mechlab.corpora.rows import TokenRows
from mechlab.metrics.concepts import Concept
from mechlab.metrics.dose_response import Dose, Reference, Way, Writing, best_dose, dose_response
from mechlab.metrics.side_effects import SideEffects, side_effects
from mechlab.models.language_model import LanguageModel

JUDGING = 1_000_003
"""What is added to the seed of texts for choosing to get that of texts for judging."""


@dataclass(frozen=True)
class Outcome:
    """How one way did.

    Attributes:
        way: its name.
        tried: what it did at each strength on the texts for choosing, strength 0 first.
        taken: the strength taken.
        fresh: what it did there on the texts for judging.
        own: what the model as it is did on them.
        costs: what it costs on unrelated text; None where none was given, or nothing was taken.
    """

    way: str
    tried: tuple[Dose, ...]
    taken: float
    fresh: Dose
    own: Dose
    costs: SideEffects | None


@dataclass(frozen=True, eq=False)
class Terms:
    """What a strength has to be worth.

    Attributes:
        wanted: concept score that is enough.
        most_increase: how much more a token may cost the unedited model, as a part.
        neutral: unrelated text to tell costs on.
    """

    wanted: float = 0.8
    most_increase: float = 0.15
    neutral: TokenRows | None = None


def race(
    model: LanguageModel,
    ways: Sequence[Way],
    concept: Concept | str,
    writing: Writing,
    terms: Terms | None = None,
    progress: Progress = SILENT,
) -> tuple[Outcome, ...]:
    """Return how every way did on a concept.

    Args:
        model: who writes, and without any edit who judges.
        ways: how it is steered, controls among them.
        concept: what the texts should be about.
        writing: how texts for choosing are drawn; those for judging are drawn alike from another seed.
        terms: what a strength has to be worth.
        progress: where to report.

    Raises:
        UsageError: a strength is 0 or not finite, or there is nothing to write.

    Source: as AxBench does it, which picks a factor on half of its instructions and tells it on the others.
    """
    terms, fresh = terms or Terms(), replace(writing, seed=writing.seed + JUDGING)
    trial_own, fresh_own = (Reference.of(model, concept, one) for one in (writing, fresh))
    found = []
    for way in ways:
        tried = dose_response(model, way, concept, writing, reference=trial_own, progress=progress)
        taken = best_dose(tried, wanted=terms.wanted, most_increase=terms.most_increase).strength
        kept = replace(way, edits={taken: way.edits[taken]} if taken else {})
        last = dose_response(model, kept, concept, fresh, reference=fresh_own)[-1]
        costs = side_effects(model, terms.neutral, way.edits[taken]) if taken and terms.neutral is not None else None
        found.append(Outcome(way.name, tried, taken, last, fresh_own.dose, costs))
    return tuple(found)
