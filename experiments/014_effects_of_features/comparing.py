"""How what was told agrees with what was measured: signed, by sign and by size, beside what tells without a graph.

Units are prompts: all features of a prompt are redrawn together.
"""

from collections.abc import Sequence
from typing import Any

import torch
from effects import REGIMES, Changed
from scipy.stats import rankdata
from torch import Tensor

from mechlab.core.estimate import Estimate
from mechlab.core.randomness import torch_generator
from mechlab.metrics.agreement import agreement
from mechlab.metrics.bootstrap import estimate, mean_estimate, ratio

SMALLEST_NATS = 0.01
"""Effects below this have no sign worth telling."""


def compared(found: Sequence[Changed], n_shuffles: int) -> dict[str, Any]:
    """Return how predictions agree with each regime, and how controls do."""
    told = {name: torch.stack([one.told[name] for one in found]) for name in found[0].told}
    measured = {name: torch.stack([one.measured[name] for one in found]) for name in REGIMES}
    return {
        "signed": {name: signed(told["total"], values) for name, values in measured.items()},
        "direct alone": {name: signed(told["direct"], values) for name, values in measured.items()},
        "largest miss": largest_miss(told["total"], measured["linear"]),
        "switching": switching(told["total"], measured["replacement"], torch.stack([one.switched for one in found])),
        "shuffled": {name: shuffled(told["total"], values, n_shuffles) for name, values in measured.items()},
        "sizes": {
            predictor: {name: by_size(own, values) for name, values in measured.items()}
            for predictor, own in told.items()
        },
    }


def signed(told: Tensor, measured: Tensor) -> dict[str, Any]:
    """Return correlations, slope, mean size, the share of right signs, and the mean rank correlation within prompts."""
    found = agreement(told, measured)
    counts = measured.abs() >= SMALLEST_NATS
    right = ((told.sign() == measured.sign()) & counts).double()
    signs = estimate(torch.stack([right.sum(1), counts.double().sum(1)], dim=1), ratio)
    pairs = zip(told, measured, strict=True)
    within = torch.tensor([_ranks_agree(mine, its) for mine, its in pairs], dtype=torch.float64)
    return {
        **{name: rounded(getattr(found, name)) for name in ("pearson", "spearman", "slope", "size")},
        "right signs": [*(rounded(signs) or [None]), int(counts.sum())],
        "spearman within prompts": rounded(mean_estimate(within)),
    }


def largest_miss(told: Tensor, measured: Tensor) -> float:
    """Return how far the two are apart at most, as a part of the largest effect."""
    return float((told - measured).abs().max() / told.abs().max())


def switching(told: Tensor, measured: Tensor, switched: Tensor) -> dict[str, Any]:
    """Return the share of edits after which no other feature switches, and how predictions do there and elsewhere."""
    still = switched == 0
    parts = {"nothing switches": still, "something does": ~still}
    misses = (told - measured).abs() / told.abs().max()
    return {
        "share": rounded(mean_estimate(still.double().mean(1))),
        "largest miss": {name: float(misses[part].max()) if part.any() else None for name, part in parts.items()},
        "pearson": {
            name: _correlation(told[part], measured[part]) if part.sum() > 2 else None for name, part in parts.items()
        },
    }


def shuffled(told: Tensor, measured: Tensor, n: int) -> dict[str, float]:
    """Return the correlations furthest from zero when predictions are shuffled among the features of each prompt."""
    draw, largest = torch_generator(0, "shuffled predictions"), {"pearson": 0.0, "spearman": 0.0, "right signs": 0.0}
    counts = measured.abs() >= SMALLEST_NATS
    for _ in range(n):
        mine = torch.stack([row[torch.randperm(len(row), generator=draw)] for row in told])
        values = {
            "pearson": _correlation(mine.flatten(), measured.flatten()),
            "spearman": _correlation(_ranked(mine.flatten()), _ranked(measured.flatten())),
            "right signs": float((mine.sign() == measured.sign())[counts].double().mean()),
        }
        largest = {name: max(largest[name], value, key=abs) for name, value in values.items()}
    return {name: round(value, 4) for name, value in largest.items()}


def by_size(told: Tensor, measured: Tensor) -> dict[str, Any]:
    """Return how sizes agree, whatever the signs."""
    found = agreement(told.abs(), measured.abs())
    return {"pearson": rounded(found.pearson), "spearman": rounded(found.spearman)}


def rounded(found: Estimate | None) -> list[float] | None:
    """Return a value and its interval."""
    return None if found is None else [round(value, 4) for value in (found.value, found.low, found.high)]


def _ranks_agree(one: Tensor, other: Tensor) -> float:
    return _correlation(_ranked(one), _ranked(other))


def _ranked(values: Tensor) -> Tensor:
    return torch.from_numpy(rankdata(values.numpy()))


def _correlation(one: Tensor, other: Tensor) -> float:
    return round(float(torch.corrcoef(torch.stack([one.double(), other.double()]))[0, 1]), 4)
