"""What the pages of all features show, packed small: columns of numbers, and contexts as numbers of texts."""

from collections.abc import Iterable, Iterator
from math import ceil, log10
from typing import Any

import torch
from pydantic import PositiveInt

from mechlab.core.config import Config
from mechlab.metrics.contexts import Context
from mechlab.metrics.feature_table import FeatureTable
from mechlab.views.report_data import Command, Fact
from mechlab.views.tokens import alone, in_text

PER_PART = 128
N_NAMES, N_PROMOTED = 4, 3
DIGITS = 4
FREQUENCY_BINS = 24


class FeatureAbout(Config):
    """What all pages of one run say: titles, facts, how to read them."""

    title: str
    run_id: str
    summary: str
    n_features: PositiveInt
    n_tokens: PositiveInt
    headline: tuple[Fact, ...] = ()
    facts: tuple[Fact, ...] = ()
    notes: tuple[str, ...] = ()
    commands: tuple[Command, ...] = ()
    citation: str = ""

    @property
    def n_parts(self) -> int:
        """Number of pages that show features."""
        return ceil(self.n_features / PER_PART)


class FeatureList(Config):
    """The list of all features: one entry of each column per feature; None where there is nothing to say.

    `cause` numbers `causes`; `f1` is measured on rows it was not chosen on, beside what the feature reaches by chance;
    `lost` is what the next token loses without the feature where it fires most, `lost_otherwise` without another one.
    """

    run_id: str
    n_tokens: int
    per_part: int
    causes: tuple[str, ...]
    names: tuple[str, ...]
    fires: tuple[int, ...]
    largest: tuple[float, ...]
    cause: tuple[int, ...]
    f1: tuple[float, ...]
    by_chance: tuple[float, ...]
    promoted: tuple[str, ...]
    lost: tuple[float | None, ...]
    lost_otherwise: tuple[float | None, ...]


class FeaturePart(Config):
    """The features of one page. A context is [row, start, focus, texts, codes]: numbers of `texts`, then place and
    activation of each token that has one.
    """

    run_id: str
    part: int
    n_parts: int
    n_features: int
    n_tokens: int
    per_part: int
    first: int
    causes: tuple[str, ...]
    texts: tuple[str, ...]
    features: tuple[dict[str, Any], ...]


def feature_list(table: FeatureTable, about: FeatureAbout) -> FeatureList:
    """Return what the list of all features shows."""
    n, columns = len(table), table.columns
    zeros = torch.zeros(n)
    return FeatureList(
        run_id=about.run_id,
        n_tokens=table.facts.n_tokens,
        per_part=PER_PART,
        causes=table.facts.causes,
        names=tuple(_name(table.top(feature)) for feature in range(n)),
        fires=tuple(columns["fires"].tolist()),
        largest=_short(columns["largest"]),
        cause=tuple(columns.get("cause", zeros.long() - 1).tolist()),
        f1=_short(columns.get("cause_f1", zeros), 3),
        by_chance=_short(columns.get("cause_by_chance", zeros), 3),
        promoted=tuple(_joined(table.logits(feature, "top")[:N_PROMOTED]) for feature in range(n)),
        lost=_means(table, "removal_loss"),
        lost_otherwise=_means(table, "removal_control_loss"),
    )


def feature_part(table: FeatureTable, about: FeatureAbout, part: int) -> FeaturePart:
    """Return what one page of features shows."""
    first = part * PER_PART
    texts: dict[str, int] = {}
    features = [_feature(table, feature, texts) for feature in range(first, min(first + PER_PART, len(table)))]
    return FeaturePart(
        run_id=about.run_id,
        part=part,
        n_parts=about.n_parts,
        n_features=len(table),
        n_tokens=table.facts.n_tokens,
        per_part=PER_PART,
        first=first,
        causes=table.facts.causes,
        texts=tuple(texts),
        features=tuple(features),
    )


def frequency_bars(table: FeatureTable) -> tuple[tuple[float, float, int], ...]:
    """Return how many features fire how often: bins of log10 of the share of tokens, and the count in each."""
    live = table.frequency[table.columns["fires"] > 0].log10()
    if not len(live):
        return ()
    low = float(torch.floor(live.min()))
    counts = torch.histc(live, FREQUENCY_BINS, low, 0.0)
    edges = torch.linspace(low, 0.0, FREQUENCY_BINS + 1).tolist()
    return tuple((left, right, int(count)) for left, right, count in zip(edges, edges[1:], counts, strict=False))


def _feature(table: FeatureTable, feature: int, texts: dict[str, int]) -> dict[str, Any]:
    columns = table.columns
    fires = int(columns["fires"][feature])
    found: dict[str, Any] = {"id": feature, "name": _name(table.top(feature)), "fires": fires}
    found |= {f"{side}": _logits(table, feature, side) for side in ("top", "bottom")}
    if "logits_by_chance" in columns:
        found["by_chance"] = _rounded(float(columns["logits_by_chance"][feature]))
    if not fires:
        return found
    found |= {
        "error": _rounded(float(columns["frequency_error"][feature])),
        "mean": _rounded(float(table.mean[feature])),
        "most": _rounded(float(columns["largest"][feature])),
        "bins": columns["histogram"][feature].tolist(),
        "reach": float(columns["histogram_top"][feature]),
        "edges": [_rounded(edge) for edge in columns["edges"][feature].tolist()],
        "strongest": [_context(one, texts) for one in table.top(feature)],
        "bands": [[_context(one, texts) for one in band] for band in table.bands(feature)],
    }
    if "cause" in columns and int(columns["cause"][feature]) >= 0:
        parts = (columns[f"cause_{name}"][feature] for name in ("f1", "by_chance", "threshold"))
        found["cause"] = [int(columns["cause"][feature]), *(_rounded(float(part)) for part in parts)]
    if "removal_loss" in columns:
        names = ("loss", "control_loss", "divergence", "control_divergence")
        found["removed"] = [list(_nullable(columns[f"removal_{name}"][feature].tolist())) for name in names]
    return found


def _context(context: Context, texts: dict[str, int]) -> list[Any]:
    numbers = [texts.setdefault(in_text(token), len(texts)) for token in context.tokens]
    codes = [[place, _rounded(value)] for place, value in enumerate(context.activations) if value > 0]
    return [context.row, context.start, context.focus, numbers, [number for pair in codes for number in pair]]


def _name(contexts: tuple[Context, ...]) -> str:
    """Return the tokens a feature is strongest on."""
    spoken = (in_text(context.tokens[context.focus]).strip() for context in contexts)
    return " · ".join(list(dict.fromkeys(word for word in spoken if word))[:N_NAMES])


def _logits(table: FeatureTable, feature: int, side: str) -> list[list[Any]]:
    return [[alone(text), _rounded(value)] for text, value in table.logits(feature, side)]


def _joined(logits: Iterable[tuple[str, float]]) -> str:
    return " ".join(alone(text) for text, _ in logits)


def _means(table: FeatureTable, name: str) -> tuple[float | None, ...]:
    if name not in table.columns:
        return (None,) * len(table)
    return tuple(_nullable(table.columns[name].nanmean(1).tolist()))


def _nullable(values: Iterable[float]) -> Iterator[float | None]:
    return (None if value != value else _rounded(value) for value in values)


def _short(values: torch.Tensor, digits: int = DIGITS) -> tuple[float, ...]:
    return tuple(_rounded(value, digits) for value in values.tolist())


def _rounded(value: float, digits: int = DIGITS) -> float:
    """Return a number with few significant digits, written with as few characters as it needs."""
    if value == 0 or abs(value) < 1e-30:
        return 0
    short = round(value, digits - 1 - int(log10(abs(value)) // 1))
    return int(short) if short == int(short) else short
