"""What a page about a dictionary shows: plain frozen values, ready for JSON; verbs fill them, views only draw them."""

from pydantic import NonNegativeInt, PositiveInt, model_validator

from mechlab.core.config import Config
from mechlab.core.estimate import Estimate


class Fact(Config):
    """One line of the run card: what is stated, the value, and what it means where that is not plain."""

    label: str
    value: str
    meaning: str = ""


class Curve(Config):
    """One number over training: its value at each step, its unit, and what it means."""

    name: str
    steps: tuple[float, ...]
    values: tuple[float, ...]
    unit: str = ""
    meaning: str = ""

    @model_validator(mode="after")
    def _one_value_per_step(self) -> "Curve":
        if len(self.steps) != len(self.values):
            raise ValueError(f"curve {self.name!r} has {len(self.steps)} steps and {len(self.values)} values")
        return self


class Baseline(Config):
    """What a predictor that knows nothing scores on the same metric and the same tokens."""

    name: str
    value: float


class MetricRow(Config):
    """One metric: its estimate, one line that says what it means, and what the null predictors score."""

    name: str
    estimate: Estimate
    meaning: str
    baselines: tuple[Baseline, ...] = ()


class Histogram(Config):
    """Counts between edges; `n_bins + 1` rising edges for `n_bins` counts."""

    edges: tuple[float, ...]
    counts: tuple[NonNegativeInt, ...]

    @model_validator(mode="after")
    def _edges_enclose_the_counts(self) -> "Histogram":
        rising = all(low < high for low, high in zip(self.edges, self.edges[1:], strict=False))
        if len(self.edges) != len(self.counts) + 1 or not self.counts or not rising:
            raise ValueError(f"{len(self.edges)} edges do not enclose {len(self.counts)} counts in rising order")
        return self


class SiteNorms(Config):
    """How features share their norm with one site: counts in equal bins of the share, from 0 to 1."""

    site: str
    counts: tuple[NonNegativeInt, ...]
    of_untrained: tuple[NonNegativeInt, ...]

    @model_validator(mode="after")
    def _same_bins(self) -> "SiteNorms":
        if not self.counts or len(self.counts) != len(self.of_untrained):
            raise ValueError(f"{len(self.counts)} bins stand beside {len(self.of_untrained)}")
        return self


class CauseBaseline(Config):
    """How well something that learned nothing (a random dictionary, raw neurons) finds the same cause."""

    name: str
    f1: float
    auc: float


class CauseRow(Config):
    """How well the best feature finds one known cause of the text, on tokens it was not chosen on."""

    cause: str
    feature: NonNegativeInt | None
    f1: Estimate
    auc: Estimate
    baselines: tuple[CauseBaseline, ...] = ()


class Context(Config):
    """A stretch of text around one activation: decoded tokens, the feature's activation on each, the one looked at."""

    tokens: tuple[str, ...]
    activations: tuple[float, ...]
    focus: NonNegativeInt

    @model_validator(mode="after")
    def _one_activation_per_token(self) -> "Context":
        if len(self.tokens) != len(self.activations) or self.focus >= len(self.tokens):
            raise ValueError(
                f"context has {len(self.tokens)} tokens, {len(self.activations)} activations and focus {self.focus}"
            )
        return self


class FeatureCard(Config):
    """One feature: how often and how strongly it fires, on what, and which next tokens its direction favours.

    `density` is the share of tokens it fires on; `histogram` counts its non-zero activations; logits are in nats
    per unit of activation.
    """

    id: NonNegativeInt
    density: float
    max_activation: float
    label: str = ""
    histogram: Histogram | None = None
    contexts: tuple[Context, ...] = ()
    positive_logits: tuple[tuple[str, float], ...] = ()
    negative_logits: tuple[tuple[str, float], ...] = ()
    note: str = ""


class SteeringRow(Config):
    """One prompt continued by the model as it is, and with a feature's direction added at a strength.

    `control` is the continuation with a random direction of the same norm and strength; empty where none was made.
    """

    prompt: str
    feature: NonNegativeInt
    strength: float
    before: str
    after: str
    control: str = ""


class Command(Config):
    """A command to type next, and what it is for."""

    purpose: str
    text: str


class ReportData(Config):
    """Everything one report shows. `headline` names the metrics set large at the top."""

    title: str
    run_id: str
    summary: str = ""
    n_tokens: PositiveInt
    headline: tuple[str, ...] = ()
    facts: tuple[Fact, ...] = ()
    notes: tuple[str, ...] = ()
    metrics: tuple[MetricRow, ...] = ()
    curves: tuple[Curve, ...] = ()
    density: Histogram | None = None
    n_dead: NonNegativeInt = 0
    site_norms: tuple[SiteNorms, ...] = ()
    ground_truth: tuple[CauseRow, ...] = ()
    features: tuple[FeatureCard, ...] = ()
    steering: tuple[SteeringRow, ...] = ()
    commands: tuple[Command, ...] = ()
    citation: str = ""

    @model_validator(mode="after")
    def _headline_names_metrics(self) -> "ReportData":
        missing = set(self.headline) - {row.name for row in self.metrics}
        if missing:
            raise ValueError(f"headline names no metric: {', '.join(sorted(missing))}")
        return self
