"""What the page of a model's codes shows: plain frozen values, ready for JSON, made of what metrics found."""

from collections.abc import Iterable

from pydantic import NonNegativeInt, PositiveInt

from mechlab.core.config import Config
from mechlab.core.estimate import Estimate
from mechlab.metrics.code_portraits import CauseFit, CodePortrait
from mechlab.metrics.code_use import CodeUse
from mechlab.views.report_data import Command, Context, Fact


class UseRow(Config):
    """How many of the codes of a site, or of one of its groups, are used, and how evenly."""

    site: str
    group: NonNegativeInt | None = None
    n_codes: PositiveInt
    n_alive: NonNegativeInt
    alive_share: float
    entropy_nats: float
    perplexity: float
    effective_share: float

    @classmethod
    def of(cls, use: CodeUse) -> "UseRow":
        """Return the row of what was counted."""
        return cls(**{name: getattr(use, name) for name in cls.model_fields})


class Score(Config):
    """A score and its interval; None where too few rows hold the code for one."""

    value: float
    interval: Estimate | None = None


class CauseMatch(Config):
    """The known cause a code fits best, and how well on rows it was not chosen on.

    `by_chance` is the F1 of the best code for the same tokens of other rows.
    """

    cause: str
    precision: Score
    recall: Score
    f1: Score
    by_chance: float

    @classmethod
    def of(cls, fit: CauseFit) -> "CauseMatch":
        """Return what was measured."""
        found = fit.match.intervals
        scores = {
            name: Score(value=getattr(fit.match, name), interval=getattr(found, name) if found else None)
            for name in ("precision", "recall", "f1")
        }
        return cls(cause=fit.name, by_chance=fit.by_chance, **scores)


class CodeCard(Config):
    """One code: the tokens it is active on, the known cause it fits best, and where it is active.

    `code` is its number among all of its site; contexts have an activation of 1 where it is active, and 0 elsewhere.
    """

    site: str
    group: NonNegativeInt
    code: NonNegativeInt
    n_uses: NonNegativeInt
    share: float
    match: CauseMatch | None = None
    tokens: tuple[tuple[str, PositiveInt], ...] = ()
    contexts: tuple[Context, ...] = ()

    @classmethod
    def of(cls, portrait: CodePortrait) -> "CodeCard":
        """Return the card of a portrait."""
        return cls(
            site=portrait.site,
            group=portrait.group,
            code=portrait.code,
            n_uses=portrait.n_uses,
            share=portrait.n_uses / portrait.n_tokens,
            match=CauseMatch.of(portrait.fit) if portrait.fit is not None else None,
            tokens=portrait.tokens,
            contexts=tuple(
                Context(tokens=one.tokens, activations=one.activations, focus=one.focus) for one in portrait.contexts
            ),
        )


class CodePageData(Config):
    """Everything the page shows; `codes` in the order they are listed in, a few hundred at most."""

    title: str
    run_id: str
    summary: str = ""
    n_tokens: PositiveInt
    facts: tuple[Fact, ...] = ()
    notes: tuple[str, ...] = ()
    use: tuple[UseRow, ...] = ()
    codes: tuple[CodeCard, ...] = ()
    commands: tuple[Command, ...] = ()
    citation: str = ""


def use_rows(found: Iterable[CodeUse]) -> tuple[UseRow, ...]:
    """Return the rows of the table of code use."""
    return tuple(map(UseRow.of, found))


def code_cards(portraits: Iterable[CodePortrait]) -> tuple[CodeCard, ...]:
    """Return the cards of portraits, in their order."""
    return tuple(map(CodeCard.of, portraits))
