"""How much of an outcome is left when only the foremost features, random ones, or neurons do their own."""

from collections.abc import Mapping, Sequence
from typing import Any

from effects import OUTCOME

import mechlab
from mechlab.circuits.attribution.attribution_graph import AttributionGraph
from mechlab.circuits.outcomes import Outcome
from mechlab.circuits.patching.faithfulness import FaithfulnessCurve, cmd, cpr, faithfulness
from mechlab.corpora.tasks.pairs import PromptPairs
from mechlab.interventions.transcoder_set import TranscoderSet
from mechlab.metrics.bootstrap import from_draws, resampled
from mechlab.models.language_model import LanguageModel


def circuits(
    model: LanguageModel,
    transcoders: TranscoderSet,
    graphs: Sequence[AttributionGraph],
    fresh: Sequence[PromptPairs],
    settings: Mapping[str, Any],
    outcome: Outcome = OUTCOME,
) -> dict[str, Any]:
    """Return the curves on other prompts than the order of features was made on."""
    told = mechlab.CircuitSettings(shares=tuple(settings["shares"]), n_random=settings["n_random"])
    order = mechlab.features_by_influence(graphs)
    found = mechlab.feature_circuits(model, transcoders, fresh, order, outcome, told)
    kinds = ("features", "random_features", "neurons")
    curves = {kind: getattr(found, kind) for kind in kinds}
    return {
        "sizes": list(found.sizes),
        "none, model": {
            kind: [round(float(value), 3) for value in one.outcomes[:2].mean(1)] for kind, one in curves.items()
        },
        **{kind: row(one) for kind, one in curves.items()},
        "features less neurons": difference(curves["features"], curves["neurons"]),
    }


def row(curve: FaithfulnessCurve) -> dict[str, Any]:
    """Return f at each size, and both areas with intervals over prompts."""
    redrawn, n = _redrawn(curve), curve.outcomes.shape[1]
    areas = {name: from_draws(area(redrawn, curve.shares), n=n) for name, area in (("cpr", cpr), ("cmd", cmd))}
    return {"f": [round(value, 4) for value in curve.faithfulness.tolist()], **{k: _told(v) for k, v in areas.items()}}


def difference(one: FaithfulnessCurve, other: FaithfulnessCurve) -> list[float] | None:
    """Return by how much one's CPR is larger, with its interval; prompts are redrawn alike."""
    mine, its = (cpr(_redrawn(curve), curve.shares) for curve in (one, other))
    return _told(from_draws(mine - its, n=one.outcomes.shape[1]))


def _redrawn(curve: FaithfulnessCurve) -> Any:
    return faithfulness(resampled(curve.outcomes.T.contiguous()) / curve.outcomes.shape[1])


def _told(found: Any) -> list[float] | None:
    return None if found is None else [round(value, 4) for value in (found.value, found.low, found.high)]
