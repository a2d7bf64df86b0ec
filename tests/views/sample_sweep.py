"""A made-up sweep: two sites, two sizes, two values of k, three seeds."""

from mechlab.core.estimate import Estimate
from mechlab.views.report_data import Command, Fact
from mechlab.views.sweep_data import GroupRow, Measure, SeedRow, SweepData

COST = Measure(name="l0", title="L0", meaning="features active per token")
KEPT = Measure(name="ce_loss_recovered", title="CE loss recovered", meaning="share of the loss kept")
VARIANCE = Measure(name="explained_variance", title="explained variance", meaning="share of the variance kept")


def estimate(value: float, reach: float = 0.01, n: int = 64) -> Estimate:
    return Estimate(value=value, low=value - reach, high=value + reach, n=n)


def group(site: str, features: int, k: int, n_seeds: int = 3, fronts: tuple[str, ...] = ()) -> GroupRow:
    kept = 0.5 + 0.005 * k + features / 10_000
    seeds = tuple(
        SeedRow(
            name=f"{site}-{features}-k{k}-seed{seed}",
            seed=seed,
            metrics={
                "l0": estimate(k, 0),
                KEPT.name: estimate(kept + 0.01 * (seed - 1)),
                VARIANCE.name: estimate(kept),
            },
        )
        for seed in range(n_seeds)
    )
    means = {"l0": estimate(k, 0, n_seeds), KEPT.name: estimate(kept, 0.02, n_seeds), VARIANCE.name: estimate(kept)}
    label = f"{features:,} features, k {k}"
    return GroupRow(site=site, series=f"{features:,} features", label=label, seeds=seeds, means=means, fronts=fronts)


def sample_sweep(n_seeds: int = 3) -> SweepData:
    """Return a page's data; the larger size is the front at both sites."""
    both = (KEPT.name, VARIANCE.name)
    groups = tuple(
        group(site, features, k, n_seeds, both if features == 512 else ())
        for site in ("resid_post.1", "mlp_out.2")
        for features in (256, 512)
        for k in (8, 16)
    )
    return SweepData(
        title="topk dictionaries of <tales>",
        sweep_id="0123456789abcdef",
        summary="Eight settings.",
        cost=COST,
        measures=(KEPT, VARIANCE),
        sites=("resid_post.1", "mlp_out.2"),
        groups=groups,
        notes=("A note.",),
        facts=(Fact(label="model", value="tales"),),
        commands=(Command(purpose="look", text="mechlab show DIR"),),
    )
