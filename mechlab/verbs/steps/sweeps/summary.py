"""The numbers of a sweep in short: one object for programs, one table for people."""

from pathlib import Path
from typing import Any

from mechlab.core.estimate import Estimate
from mechlab.store.sweep import PAGE_NAME, MemberRecord, SweepRecord
from mechlab.verbs.outcome import Outcome
from mechlab.views.numbers import measured, number
from mechlab.views.table import Table

SHOWN = ("l0", "ce_loss_recovered", "explained_variance", "dead_share")


def sweep_outcome(folder: Path, record: SweepRecord) -> Outcome:
    """Return what the command prints of a sweep; it exits with 1 if a member's training failed."""
    failed = [member for member in record.members if member.problem]
    data = {
        "sweep": str(folder),
        "id": record.id,
        "kind": record.kind,
        "members": [_member_data(folder, member) for member in record.members],
    }
    lines = (f"sweep: {folder}", f"open:  {folder / PAGE_NAME}")
    note = f"{len(failed)} of {len(record.members)} failed: {failed[0].problem}" if failed else ""
    return Outcome(data, (_table(record, note),), lines, exit_code=1 if failed else 0)


def _member_data(folder: Path, member: MemberRecord) -> dict[str, Any]:
    metrics = member.metrics.items()
    values = {name: one.value if isinstance(one, Estimate) else one for name, one in metrics if "." not in name}
    about = {"name": member.name, "run": str(folder / member.name), "id": member.run, "seed": member.seed}
    failed = {"problem": member.problem} if member.problem else {}
    return {**about, "settings": member.settings, **values, **failed}


def _table(record: SweepRecord, note: str) -> Table:
    rows = [(member.name, *(_cell(member, name) for name in SHOWN)) for member in record.members]
    return Table(f"{record.kind} {record.id}", ("member", *SHOWN), rows, note)


def _cell(member: MemberRecord, name: str) -> str:
    one = member.metrics.get(name)
    return measured(one) if isinstance(one, Estimate) else "–" if one is None else number(one)
