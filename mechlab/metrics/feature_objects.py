"""Features as the JSON objects that viewers of attribution graphs read, one object per feature."""

from collections.abc import Iterable
from typing import Any

from mechlab.metrics.contexts import Context
from mechlab.metrics.feature_table import FeatureTable

TOP_NAME = "Top activations"
SIGNIFICANT = 5


def feature_objects(table: FeatureTable, features: Iterable[int], transcoder_id: str) -> list[dict[str, Any]]:
    """Return the object of each feature, in the order asked for.

    Its `examples_quantiles` are the strongest contexts, then the bands from strong to weak; `quantile_values` the
    bands' edges, rising. An example is a repeated one where an earlier one of the feature shows the same text.
    A feature that never fires has no examples and extremes of 0.

    Args:
        table: what is known of all features.
        features: which.
        transcoder_id: what the objects call the dictionary.

    Source: the feature files that circuit-tracer's viewer reads (Hanna et al. 2025, circuit-tracer).

    Raises:
        UsageError: there is no such feature.
    """
    chosen = list(features)
    table.refuse_unknown(chosen)
    return [_object(table, feature, transcoder_id) for feature in chosen]


def _object(table: FeatureTable, feature: int, transcoder_id: str) -> dict[str, Any]:
    seen: set[tuple[str, ...]] = set()
    edges = [_rounded(edge) for edge in table.columns["edges"][feature].tolist()]
    quantiles = [{"quantile_name": TOP_NAME, "examples": [_example(one, seen) for one in table.top(feature)]}]
    for band in reversed(range(table.facts.n_bands)):
        examples = [_example(one, seen) for one in table.bands(feature)[band]]
        quantiles.append({"quantile_name": f"{edges[band]:g} to {edges[band + 1]:g}", "examples": examples})
    return {
        "transcoder_id": transcoder_id,
        "index": feature,
        "examples_quantiles": quantiles if int(table.columns["fires"][feature]) else [],
        "top_logits": [text for text, _ in table.logits(feature, "top")],
        "bottom_logits": [text for text, _ in table.logits(feature, "bottom")],
        "act_min": 0.0,
        "act_max": _rounded(float(table.columns["largest"][feature])),
        "quantile_values": edges,
        "histogram": table.columns["histogram"][feature].tolist(),
        "activation_frequency": float(table.frequency[feature]),
    }


def _example(context: Context, seen: set[tuple[str, ...]]) -> dict[str, Any]:
    repeated = context.tokens in seen
    seen.add(context.tokens)
    return {
        "tokens_acts_list": [_rounded(value) for value in context.activations],
        "train_token_ind": context.focus,
        "is_repeated_datapoint": repeated,
        "tokens": list(context.tokens),
    }


def _rounded(value: float) -> float:
    return float(f"{value:.{SIGNIFICANT}g}")
