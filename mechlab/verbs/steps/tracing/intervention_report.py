"""Predicted against measured effects of editing features: correlations and slopes with intervals, beside controls."""

from dataclasses import dataclass

from mechlab.circuits.attribution.attribution_graph import AttributionGraph
from mechlab.circuits.attribution.regimes import REGIMES, Regime
from mechlab.circuits.attribution.targets import Targets
from mechlab.circuits.attribution.validation import DEFAULT, EditSettings, Group, measured_edits
from mechlab.metrics.agreement import Agreement, agreement
from mechlab.models.language_model import LanguageModel


@dataclass(frozen=True)
class Compared:
    """How predictions for one group of edits agree with what was measured in one regime."""

    group: Group
    regime: Regime
    agreement: Agreement


@dataclass(frozen=True)
class InterventionReport:
    """How far edits of features do what their graph predicts.

    Attributes:
        compared: for each group and regime; random directions are held against the predictions of the features whose
            place they take, so that they should not agree.
        largest_miss: of the direct effects of features, as a part of the largest edge: rounding.
        n: how many features were edited.
        seed: of controls and intervals.
    """

    compared: tuple[Compared, ...]
    largest_miss: float
    n: int
    seed: int

    def of(self, group: Group, regime: Regime) -> Agreement | None:
        """Return the agreement of one group in one regime; None where the group had fewer than two edits."""
        return next((one.agreement for one in self.compared if (one.group, one.regime) == (group, regime)), None)


def intervention_report(
    model: LanguageModel, graph: AttributionGraph, settings: EditSettings = DEFAULT, targets: Targets | None = None
) -> InterventionReport:
    """Return how predicted effects of editing a graph's foremost features agree with measured ones.

    Args:
        model: whose pass the graph is of.
        graph: the graph.
        settings: which features are edited, and how.
        targets: what is measured; None is what the graph was asked about.

    Raises:
        UsageError: no feature was traced.
    """
    found = measured_edits(model, graph, settings, targets)
    compared = [
        Compared(group, regime, agreement(edited.predicted(regime), edited.measured[regime], seed=settings.seed))
        for group, edited in found.items()
        for regime in REGIMES
        if len(edited.columns) > 1
    ]
    features = found["features"]
    return InterventionReport(tuple(compared), features.largest_miss, len(features.columns), settings.seed)
