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
        "observable": "mechlab.circuits.directions.observable_direction:ObservableDirection",
        "feature": "mechlab.circuits.directions.feature:FeatureDirection",
        "best_feature": "mechlab.circuits.directions.best_feature:BestFeature",
        "code": "mechlab.circuits.directions.code:CodeDirection",
        "component": "mechlab.circuits.directions.component:ComponentDirection",
        "random": "mechlab.circuits.directions.random_direction:RandomDirection",
        "random_feature": "mechlab.circuits.directions.random_feature:RandomFeature",
    },
)
