"""What a sweep would cost: the model's passes once, everything else once per member."""

from collections import Counter

import torch

from mechlab.dictionaries import KINDS
from mechlab.models.route import Route
from mechlab.training.footprint import footprint
from mechlab.verbs.outcome import Outcome
from mechlab.verbs.steps.sweeps.grid import Member
from mechlab.verbs.steps.training.fitting import dictionary_config, new_dictionary, training_config
from mechlab.verbs.steps.training.planning import (
    KEPT_CHECKPOINTS,
    N_ROWS_TIMED,
    judging_s,
    seconds_per_step,
    timed_capture,
)
from mechlab.verbs.sweep_options import SweepOptions
from mechlab.views.numbers import duration, number
from mechlab.views.table import Table

BYTES = 4


def plan_sweep(options: SweepOptions, members: tuple[Member, ...]) -> Outcome:
    """Return members, tokens, memory, disk and time of a sweep that is not made; nothing is written."""
    n_steps = training_config(members[0].options).n_steps
    model, n_timed = members[0].subject.model, N_ROWS_TIMED * options.row_length
    pool_rows = max(options.pool, training_config(members[0].options).batch_size) + n_timed
    rows = torch.zeros(N_ROWS_TIMED, options.row_length, dtype=torch.long)
    routes = {member.subject.route: member.subject for member in members}
    captures = {route: timed_capture(subject, rows) for route, subject in routes.items()}
    alike = {str(member.settings): member for member in members}  # seeds cost the same
    cost = {key: _member_cost(member, captures[member.subject.route][1]) for key, member in alike.items()}
    costs = [cost[str(member.settings)] for member in members]
    capture_s = max(seconds for seconds, _ in captures.values())
    widths = {route: sum(side.shape[1] for side in sides if side is not None) for route, (_, sides) in captures.items()}
    pools = {route: BYTES * width * pool_rows for route, width in widths.items()}
    n_full = min(KEPT_CHECKPOINTS, (n_steps - 1) // options.checkpoint_every)  # the last one finds the pool drained
    held = n_full * sum(pools[member.subject.route] for member in members)
    n_at = Counter(member.subject.route for member in members)
    judging = sum(judging_s(routes[route], seconds, n_at[route]) for route, (seconds, _) in captures.items())
    text = BYTES * (options.tokens + options.eval_tokens)
    numbers = {
        "n_members": len(members),
        "n_tokens": options.tokens,
        "n_steps": n_steps,
        "memory_bytes": sum(memory for memory, _, _ in costs)
        + sum(pools.values())
        + BYTES * model.spec.n_params
        + text,
        "disk_bytes": sum(disk for _, disk, _ in costs) + held,
        "time_s": capture_s * options.tokens / n_timed + sum(seconds for _, _, seconds in costs) + judging,
    }
    data = {"dry_run": True, **numbers, "members": [member.name for member in members]}
    return Outcome(data, (_table(numbers, list(captures), capture_s / n_timed), _listed(members)))


def _member_cost(member: Member, sides: tuple) -> tuple[int, int, float]:
    """Return a member's bytes of memory, its bytes on disk without the stream's, and the seconds of its steps."""
    widths = member.subject.widths
    training = training_config(member.options)
    takes = footprint(KINDS[member.options.kind], dictionary_config(member.options, *widths), training)
    dictionary = new_dictionary(member.options, *widths).to(member.subject.model.device)
    seconds = seconds_per_step(dictionary, sides, training) * training.n_steps
    return takes.memory, takes.dictionary + KEPT_CHECKPOINTS * takes.checkpoint, seconds


def _table(numbers: dict[str, float], routes: list[Route], capture_s: float) -> Table:
    rows = (
        ("members", number(numbers["n_members"]), f"at {', '.join(map(str, routes))}"),
        ("tokens", number(numbers["n_tokens"]), f"{1e6 * capture_s:.0f} s of the model per million, once for all"),
        ("steps", number(numbers["n_steps"]), "of every member"),
        ("memory", f"{numbers['memory_bytes'] / 1e6:.0f} MB", "all members' weights, moments and codes, one pool"),
        ("disk", f"{numbers['disk_bytes'] / 1e6:.0f} MB", f"each its dictionary and {KEPT_CHECKPOINTS} checkpoints"),
        ("time", duration(numbers["time_s"]), "timed just now on this machine; judging is estimated"),
    )
    return Table("What this sweep would cost", ("what", "amount", "from"), rows, note="Nothing was written.")


def _listed(members: tuple[Member, ...]) -> Table:
    rows = [(member.name, str(member.seed), member.identity.run_id()) for member in members]
    return Table("Members", ("name", "seed", "run"), rows)
