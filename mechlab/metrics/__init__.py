"""Scores of a dictionary, each with its interval and its null predictors."""

from mechlab.core.registry import Registry

METRICS = Registry(
    "metric",
    {
        "sparsity": "mechlab.metrics.sparsity:Sparsity",
        "reconstruction": "mechlab.metrics.reconstruction:Reconstruction",
        "language": "mechlab.metrics.language:Language",
    },
)
