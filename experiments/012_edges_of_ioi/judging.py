"""How faithful the circuits of a ranking are on fresh prompts, beside random rankings."""

from collections.abc import Sequence
from typing import Any

from scoring import OUTCOME, with_interval
from torch import Tensor

import mechlab
from mechlab.circuits.patching.edge_scores import EdgeScores
from mechlab.circuits.patching.faithfulness import SHARES, FaithfulnessCurve, cmd, cpr, faithfulness, sizes_of
from mechlab.circuits.patching.selection import Selection, random_ranking
from mechlab.corpora.tasks.pairs import PromptPairs
from mechlab.interventions.wiring import Wiring
from mechlab.metrics.bootstrap import resampled
from mechlab.models.language_model import LanguageModel

WAYS: dict[str, tuple[Selection, bool]] = {
    "signed": (mechlab.best_edges, False),
    "sizes": (mechlab.best_edges, True),
}


def judged(
    model: LanguageModel, batches: Sequence[PromptPairs], found: dict[str, EdgeScores], n_draws: int
) -> dict[str, Any]:
    """Return every method's curve and areas by every way of choosing, and those of random rankings."""
    wiring = found["eap"].wiring
    curves = {
        way: {name: curve_of(model, wiring, batches, scores.mean, way) for name, scores in found.items()}
        for way in WAYS
    }
    drawn = [curve_of(model, wiring, batches, random_ranking(wiring, seed), "signed") for seed in range(n_draws)]
    rows = {way: {name: row_of(curve) for name, curve in own.items()} for way, own in curves.items()}
    for way, own in rows.items():
        own["eap-ig less eap"] = _difference(curves[way]["eap-ig"], curves[way]["eap"])
    areas = [(curve.cpr, curve.cmd) for curve in drawn]
    return {
        "shares": list(SHARES),
        "n_edges": sizes_of(SHARES, wiring.n_edges),
        "clean": float(drawn[0].outcomes[1].mean()),
        "corrupted": float(drawn[0].outcomes[0].mean()),
        **rows,
        "random": {"cpr": [cpr for cpr, _ in areas], "cmd": [cmd for _, cmd in areas]},
    }


def curve_of(
    model: LanguageModel, wiring: Wiring, batches: Sequence[PromptPairs], ranking: Tensor, way: str
) -> FaithfulnessCurve:
    """Return the curve of a ranking's circuits, taken by one of the ways."""
    choose, by_size = WAYS[way]
    circuits = choose(wiring, ranking.abs() if by_size else ranking, sizes_of(SHARES, wiring.n_edges))
    return mechlab.faithfulness_curve(model, batches, circuits, OUTCOME)


def _redrawn(curve: FaithfulnessCurve) -> Tensor:
    """Return f of the observed prompts and of redrawn ones; equally many prompts are redrawn alike."""
    return faithfulness(resampled(curve.outcomes.T.contiguous()) / curve.outcomes.shape[1])


def row_of(curve: FaithfulnessCurve) -> dict[str, Any]:
    """Return f of each circuit, and both areas with intervals over prompts."""
    redrawn = _redrawn(curve)
    return {
        "f": [round(value, 4) for value in curve.faithfulness.tolist()],
        "cpr": with_interval(cpr(redrawn, SHARES).tolist()),
        "cmd": with_interval(cmd(redrawn, SHARES).tolist()),
    }


def _difference(one: FaithfulnessCurve, other: FaithfulnessCurve) -> dict[str, list[float]]:
    mine, its = _redrawn(one), _redrawn(other)
    return {
        name: with_interval((area(mine, SHARES) - area(its, SHARES)).tolist())
        for name, area in (("cpr", cpr), ("cmd", cmd))
    }
