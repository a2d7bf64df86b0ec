"""Directions: unit vectors at a site that stand for something, fitted on examples, read off weights, or drawn.

Every kind is a config whose `find` takes the material it needs and returns a `Direction`.
"""

from mechlab.core.registry import Registry

KINDS = Registry(
    "kind of direction",
    {
        "mean_difference": "mechlab.circuits.directions.mean_difference:MeanDifference",
        "pair_pca": "mechlab.circuits.directions.pair_pca:PairPCA",
        "logistic_probe": "mechlab.circuits.directions.logistic_probe:LogisticProbe",
    },
)
