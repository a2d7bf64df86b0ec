"""Fill the page of a sweep: seeds put together, means over them, and the front of every site."""

from pathlib import Path

from mechlab.core.estimate import Estimate
from mechlab.metrics.over_seeds import over_seeds
from mechlab.metrics.pareto import pareto_front
from mechlab.store.sweep import MemberRecord, SweepRecord
from mechlab.verbs.steps.sweeps.grid import Member
from mechlab.views.findings import MEANINGS
from mechlab.views.report_data import Command, Fact
from mechlab.views.sweep_data import GroupRow, Measure, SeedRow, SweepData
from mechlab.views.sweep_page import render_sweep

COST = Measure(name="l0", title="L0", meaning=MEANINGS["l0"])
MEASURES = tuple(
    Measure(name=name, title=title, meaning=MEANINGS[name])
    for name, title in (("ce_loss_recovered", "CE loss recovered"), ("explained_variance", "explained variance"))
)
SHOWN = (COST, *MEASURES)


def sweep_page(record: SweepRecord, members: tuple[Member, ...]) -> str:
    """Return the page of a finished sweep."""
    return render_sweep(sweep_data(record, members))


def sweep_data(record: SweepRecord, members: tuple[Member, ...]) -> SweepData:
    """Return what the page shows; members that failed are named in its notes alone."""
    sites = tuple(dict.fromkeys(str(member.settings["site"]) for member in record.members))
    groups = tuple(group for site in sites for group in _groups_at(site, record))
    first = members[0]
    return SweepData(
        title=f"{first.options.kind} dictionaries of {Path(first.options.model).name}",
        sweep_id=record.id,
        summary=_summary(record, first),
        cost=COST,
        measures=MEASURES,
        sites=sites,
        groups=groups,
        notes=_notes(record, groups),
        facts=_facts(record, first),
        commands=_commands(record),
    )


def _groups_at(site: str, record: SweepRecord) -> list[GroupRow]:
    alike: dict[str, list[MemberRecord]] = {}
    for member in record.members:
        if member.settings["site"] == site and not member.problem:
            alike.setdefault(str(member.settings), []).append(member)
    groups = [_group(members) for members in alike.values()]
    fronts = {measure.name: _front(groups, measure.name) for measure in MEASURES}
    return [
        group.model_copy(update={"fronts": tuple(name for name, front in fronts.items() if place in front)})
        for place, group in enumerate(groups)
    ]


def _group(members: list[MemberRecord]) -> GroupRow:
    settings = dict(members[0].settings)
    site, series = str(settings.pop("site")), f"{settings.pop('features'):,} features"
    seeds = tuple(SeedRow(name=one.name, seed=one.seed, metrics=_shown(one)) for one in members)
    by_name = {one.name: [row.metrics[one.name] for row in seeds if one.name in row.metrics] for one in SHOWN}
    means = {name: over_seeds([one.value for one in found], found[0].unit) for name, found in by_name.items() if found}
    label = ", ".join([series, *(f"{name} {value}" for name, value in settings.items())])
    return GroupRow(site=site, series=series, label=label, seeds=seeds, means=means)


def _shown(member: MemberRecord) -> dict[str, Estimate]:
    found = {one.name: member.metrics.get(one.name) for one in SHOWN}
    return {name: one for name, one in found.items() if isinstance(one, Estimate)}


def _front(groups: list[GroupRow], name: str) -> set[int]:
    drawn = [place for place, group in enumerate(groups) if {COST.name, name} <= group.means.keys()]
    points = [(groups[place].means[COST.name].value, groups[place].means[name].value) for place in drawn]
    return {drawn[place] for place in pareto_front(points)}


def _summary(record: SweepRecord, first: Member) -> str:
    n_sites = len({str(member.settings["site"]) for member in record.members})
    places = "one site" if n_sites == 1 else f"{n_sites} sites"
    return (
        f"{len(record.members)} dictionaries at {places}, trained on the same {first.options.tokens:,} tokens of "
        f"{first.subject.corpus_record.name} in one pass over the model, and judged on the same held-out text."
    )


def _notes(record: SweepRecord, groups: tuple[GroupRow, ...]) -> tuple[str, ...]:
    n_seeds = max((len(group.seeds) for group in groups), default=1)
    over = "Large marks are means with 95 % intervals over seeds (of the mean, by Student's t). Small marks are seeds."
    single = (
        "Every setting has one seed: how far another seed would lie is not known. Give --seeds 0,1,2 for error bars."
    )
    front = (
        "The dotted line is the Pareto front: means than which no other at the site keeps more with as few features."
    )
    seeds = (
        "Seeds set the first weights only. Text and batches are the same for all, so their chance is not in the bars."
    )
    failed = [f"{one.name} failed and is not drawn: {one.problem}" for one in record.members if one.problem]
    return (over if n_seeds > 1 else single, front, *([seeds] if n_seeds > 1 else []), *failed)


def _facts(record: SweepRecord, first: Member) -> tuple[Fact, ...]:
    options, subject = first.options, first.subject
    n_layers, d_model = subject.model.spec.n_layers, subject.model.spec.d_model
    facts = {
        "model": f"{options.model}, {n_layers} layers, width {d_model}",
        "kind": options.kind,
        "trained on": f"{options.tokens:,} tokens of {subject.corpus_record.name}",
        "batch size": f"{options.batch_size:,}",
        "seed of text and batches": str(options.seed),
        "seeds of first weights": ", ".join(map(str, dict.fromkeys(member.seed for member in record.members))),
        "model fingerprint": subject.model.fingerprint[:16],
    }
    return tuple(Fact(label=label, value=value) for label, value in facts.items())


def _commands(record: SweepRecord) -> tuple[Command, ...]:
    one = record.members[0].name
    return (
        Command(
            purpose="a member's numbers in the terminal (DIR: the folder of this page)", text=f"mechlab show DIR/{one}"
        ),
        Command(purpose="check every byte of every member", text="mechlab runs verify DIR"),
        Command(purpose="judge a member on other text", text=f"mechlab evaluate DIR/{one} --corpus FILE"),
    )
