"""Training in several processes: who holds what, and what they tell one another."""

from mechlab.core.registry import Registry

CREWS = Registry(
    "way to share training",
    {
        "rows": "mechlab.training.parallel.rows:RowCrew",
        "features": "mechlab.training.parallel.features:FeatureCrew",
    },
)
