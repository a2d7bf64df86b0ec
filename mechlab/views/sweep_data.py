"""What the page of a sweep shows: plain frozen values, ready for JSON; verbs fill them, views only draw them."""

from pydantic import NonNegativeInt

from mechlab.core.config import Config
from mechlab.core.estimate import Estimate
from mechlab.views.report_data import Command, Fact


class SeedRow(Config):
    """One dictionary: the folder of its run beside the page, its seed, and its metrics with intervals over rows."""

    name: str
    seed: NonNegativeInt
    metrics: dict[str, Estimate]


class GroupRow(Config):
    """Dictionaries that differ in their seed alone.

    Attributes:
        series: what is drawn alike, as `512 features`.
        label: what tells the group from others at its site.
        means: each metric over the seeds; `n` counts seeds.
        fronts: the measures in which nothing at this site beats it for its L0.
    """

    site: str
    series: str
    label: str
    seeds: tuple[SeedRow, ...]
    means: dict[str, Estimate]
    fronts: tuple[str, ...] = ()


class Measure(Config):
    """A metric drawn against L0: its name and what it means."""

    name: str
    title: str
    meaning: str


class SweepData(Config):
    """Everything the page of a sweep shows."""

    title: str
    sweep_id: str
    summary: str
    cost: Measure
    measures: tuple[Measure, ...]
    sites: tuple[str, ...]
    groups: tuple[GroupRow, ...]
    notes: tuple[str, ...] = ()
    facts: tuple[Fact, ...] = ()
    commands: tuple[Command, ...] = ()
