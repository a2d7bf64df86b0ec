"""The main path of a sweep: many runs written at once, from the same batches.

1. A sweep that is already there is returned as it is; members whose run is finished are kept.
2. The others start, or go on from the last checkpoint that all of them have; the model runs once for all.
3. Every dictionary of a site takes the same batch, and becomes what `train` alone would make of it.
4. Those of one site are judged together on the held-out rows; each run gets its name.
5. The page and `sweep.json` are written.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from mechlab.activations.shared_batches import SharedBatches
from mechlab.core.errors import TrainingDiverged
from mechlab.core.progress import Progress
from mechlab.corpora.rows import TokenRows
from mechlab.dictionaries.dictionary import Dictionary
from mechlab.store.run import REPORT_NAME, finished_run, open_run
from mechlab.store.sweep import MemberRecord, SweepRecord, SweepWriter, finished_sweep
from mechlab.store.writer import RunWriter, unfinished_steps
from mechlab.training.loop import fit_together
from mechlab.verbs.steps.opening import held_out_rows, training_rows
from mechlab.verbs.steps.sweeps.grid import Member
from mechlab.verbs.steps.sweeps.page import sweep_page
from mechlab.verbs.steps.training.fitting import course_in_run, stream_config, write_fitted
from mechlab.verbs.steps.training.judging import judge_all
from mechlab.verbs.steps.training.reporting import report_page
from mechlab.verbs.steps.training.run import run_card
from mechlab.verbs.steps.training.samples import SAMPLES_NAME, samples_text, steered_samples
from mechlab.verbs.sweep_options import SweepOptions

Members = tuple[Member, ...]


def sweep_run(options: SweepOptions, members: Members, progress: Progress) -> SweepRecord:
    """Return the finished sweep; made now, or found where it was made before.

    Raises:
        UsageError: an option does not fit, or the output folder is taken.
    """
    record = sweep_record(options, members)
    done = finished_sweep(options.out, record, resume=options.resume)
    if done is not None:
        progress.note(f"this sweep is already there: {options.out}")
        return done
    with SweepWriter(options.out, record, resume=options.resume) as sweep:
        waiting = tuple(one for one in members if finished_run(sweep.place(one.name), one.identity) is None)
        problems = _train(options, waiting, sweep, progress) if waiting else {}
        found = {one.name: _record(one, sweep, problems.get(one.name, "")) for one in members}
        record = record.measured(found)
        sweep.finish(record, sweep_page(record, members))
    return record


def sweep_record(options: SweepOptions, members: Members) -> SweepRecord:
    """Return what a sweep is to be, before anything is measured."""
    config = options.model_dump(mode="json", exclude={"out", "device", "threads", "resume", "dry_run"})
    named = ((one.name, one.identity.run_id(), one.settings, one.seed) for one in members)
    records = tuple(MemberRecord(name=n, run=run, settings=own, seed=seed) for n, run, own, seed in named)
    return SweepRecord(kind=f"sweep {options.kind}", config=config, members=records)


def common_step(places: Sequence[Path]) -> int:
    """Return the last step after which the unfinished runs of all places have a checkpoint; 0 if there is none."""
    steps = [set(unfinished_steps(place)) for place in places]
    return max(set.intersection(*steps), default=0)


def _train(options: SweepOptions, members: Members, sweep: SweepWriter, progress: Progress) -> dict[str, str]:
    """Make the members' runs; return what went wrong with those that diverged."""
    at_step = common_step([sweep.place(one.name) for one in members]) if options.resume else None
    if options.resume:
        progress.note(_resumption(members, at_step or 0))
    with ExitStack() as opened:
        writers = {
            one: opened.enter_context(
                RunWriter(sweep.place(one.name), one.identity, resume=options.resume, at_step=at_step)
            )
            for one in members
        }
        held_out, rows = held_out_rows(members[0].subject, progress), training_rows(members[0].subject, progress)
        fitted, problems = _fit(members, writers, rows, progress)
        for route in {one.subject.route: None for one in fitted}:
            there = {one: dictionary for one, dictionary in fitted.items() if one.subject.route == route}
            _finish(there, writers, held_out, progress, options.reports)
    return problems


def _fit(
    members: Members, writers: dict[Member, RunWriter], rows: TokenRows, progress: Progress
) -> tuple[dict[Member, Dictionary], dict[str, str]]:
    """Return the trained dictionaries, and by name what went wrong with the members that diverged."""
    first = members[0]
    routes = list(dict.fromkeys(one.subject.route for one in members))
    shared = SharedBatches(first.subject.model, rows, routes, stream_config(first.options))
    courses = [
        course_in_run(one.options, one.subject, shared.reader(one.subject.route), writers[one]) for one in members
    ]
    fitted: dict[Member, Dictionary] = {}
    problems: dict[str, str] = {}
    for one, course, end in zip(members, courses, fit_together(courses, progress), strict=True):
        if isinstance(end, TrainingDiverged):
            problems[one.name] = str(end)
            progress.note(f"{one.name}: {end}")
        else:
            fitted[one] = course.run.dictionary.eval()
    return fitted, problems


def _finish(
    fitted: dict[Member, Dictionary],
    writers: dict[Member, RunWriter],
    rows: TokenRows,
    progress: Progress,
    report: bool,
) -> None:
    """Judge the dictionaries of one route together and give their runs their names."""
    dictionaries = list(fitted.values())
    judgements = judge_all(next(iter(fitted)).subject, dictionaries, rows, progress, with_portraits=report)
    for (member, dictionary), judgement in zip(fitted.items(), judgements, strict=True):
        subject, writer = member.subject, writers[member]
        write_fitted(dictionary, subject, writer)
        if report:
            samples = steered_samples(subject, dictionary, judgement.portraits, rows)
            card = run_card(member.options, subject, member.identity)
            writer.write_text(SAMPLES_NAME, samples_text(samples))
            writer.write_text(REPORT_NAME, report_page(card, subject, judgement, writer.read_log(), samples))
        writer.finish(judgement.metrics)


def _record(member: Member, sweep: SweepWriter, problem: str) -> MemberRecord:
    fields = {"name": member.name, "run": member.identity.run_id(), "settings": member.settings, "seed": member.seed}
    metrics = {} if problem else open_run(sweep.place(member.name)).manifest.metrics
    return MemberRecord(**fields, metrics=metrics, problem=problem)


def _resumption(members: Members, step: int) -> str:
    left = f"{len(members)} members are not finished"
    return f"{left}; resuming after step {step}, the last all have" if step else f"{left}; resuming from the start"
