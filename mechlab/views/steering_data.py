"""What the page of steered texts shows: plain frozen values, ready for JSON; verbs fill them, views only draw them."""

from pydantic import NonNegativeInt

from mechlab.core.config import Config
from mechlab.core.estimate import Estimate
from mechlab.views.report_data import Command, Fact


class SampleRow(Config):
    """One prompt, continued by equal draws without and with the spec, and with a control of the same size."""

    prompt: str
    before: str
    after: str
    control: str = ""


class DoseRow(Config):
    """What one strength did to texts.

    Attributes:
        strength: in the way's unit; 0 is the model as it is.
        concept: mean score of the texts.
        nll_increase: what a token of them costs the model without any edit, as a part more than in its own texts.
        repetition: share of 4-grams that stood in the same text before.
        distinct: share of different word pairs among all.
    """

    strength: float
    concept: Estimate
    nll_increase: Estimate | None = None
    repetition: Estimate | None = None
    distinct: float | None = None


class WayRow(Config):
    """One way of steering.

    Attributes:
        name: of the way.
        meaning: one line that says what it does.
        tried: at every strength, on texts for choosing; strength 0 first.
        front: strengths that no other of the way beats in both.
        trend: rank correlation of strength with concept; None where it is undefined.
        taken: the strength taken; 0 if none was worth it.
        fresh: what it did there, on texts from other draws.
        kl_nats: divergence on unrelated text.
        loss_increase: loss on unrelated text, as a part more than the model's own.
    """

    name: str
    meaning: str = ""
    tried: tuple[DoseRow, ...]
    front: tuple[float, ...] = ()
    trend: float | None = None
    taken: float
    fresh: DoseRow
    kl_nats: Estimate | None = None
    loss_increase: Estimate | None = None


class SteeringPageData(Config):
    """Everything the page of steered texts shows.

    Attributes:
        concept: what texts were looked through for; empty where nothing was measured.
        own: what the model as it is does on the texts for judging.
        most_increase: how much more a token may cost, as a part.
    """

    title: str
    run_id: str
    summary: str
    concept: str = ""
    samples: tuple[SampleRow, ...] = ()
    ways: tuple[WayRow, ...] = ()
    own: DoseRow | None = None
    most_increase: float = 0.15
    n_texts: NonNegativeInt = 0
    notes: tuple[str, ...] = ()
    facts: tuple[Fact, ...] = ()
    commands: tuple[Command, ...] = ()
