"""Tables of what was found: ways by causes, each cell over the seeds with an interval over them."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

T_OF_THREE = {2: 12.71, 3: 4.30}
Ways = Sequence[Mapping[str, Any]]


def over_seeds(values: Sequence[float]) -> str:
    """Return the mean of the seeds in percent, and its 95 % interval by Student's law, no share being above 100."""
    told = f"{100 * mean(values):.0f}"
    if len(values) not in T_OF_THREE:
        return told
    half = T_OF_THREE[len(values)] * stdev(values) / len(values) ** 0.5
    low, high = (max(-100, min(100, 100 * (mean(values) + sign * half))) for sign in (-1, 1))
    return f"{told} [{round(low)}, {round(high)}]".replace("-", "−")


def share_and_loss(ways: Ways) -> str:
    """Return the share of texts that have the cause, at what a token costs more."""
    share, loss = ([one["fresh"][key][0] for one in ways] for key in ("concept", "increase"))
    return f"{over_seeds(share)} at {over_seeds(loss)}"


def prompted(ways: Ways) -> str:
    """Return the same of the strongest dose on texts for choosing, whether it was taken or not."""
    return share_and_loss([{"fresh": one["tried"][-1]} for one in ways])


def details(ways: Ways) -> str:
    """Return strengths, how ranks of strength and share go together, and what rows without the cause cost more."""
    strengths = ", ".join(f"{one['taken']:g}" for one in ways)
    trend = mean(one["trend"] for one in ways if one["trend"] is not None)
    costs = [one["costs"]["loss"][0] for one in ways if one["costs"]]
    return f"{strengths}; {trend:.2f}; {over_seeds(costs) if costs else 'none'}".replace("-", "−")


def row(name: str, causes: Mapping[str, Mapping[str, Any]], cell: Callable[[Ways], str]) -> str:
    """Return a way's row, one cell for each cause."""
    cells = [cell([seed["ways"][name] for seed in seeds.values()]) for seeds in causes.values()]
    return f"| {short(name)} | " + " | ".join(cells) + " |"


def short(name: str) -> str:
    """Return the kind of a way, without its manner."""
    return name.partition(",")[0].replace("_", " ")


def reached(ways: Ways, terms: Mapping[str, float]) -> bool:
    """Tell whether the mean over the seeds has what is wanted at what may be paid."""
    share = mean(one["fresh"]["concept"][0] for one in ways)
    return share >= terms["wanted"] and mean(one["fresh"]["increase"][0] for one in ways) <= terms["most_increase"]


def tables(told: Mapping[str, Any]) -> Iterator[str]:
    """Yield all lines."""
    causes = told["causes"]
    head = ["| | " + " | ".join(causes) + " |", "|---" * (len(causes) + 1) + "|"]
    ways = [name for name in next(iter(next(iter(causes.values())).values()))["ways"] if name != "prompt"]
    own = [over_seeds([one["own"]["concept"][0] for one in seeds.values()]) for seeds in causes.values()]
    yield from (*head, "| as it is | " + " | ".join(own) + " |", row("prompt", causes, prompted))
    yield from (row(name, causes, share_and_loss) for name in ways)
    yield from ("", *head)
    yield from (row(name, causes, details) for name in ways)
    yield ""
    for cause, seeds in causes.items():
        by_way = {name: [one["ways"][name] for one in seeds.values()] for name in ways}
        good = [short(name) for name, found in by_way.items() if reached(found, told["config"]["terms"])]
        yield f"{cause}: {', '.join(good) or 'none'}"


if __name__ == "__main__":
    print("\n".join(tables(json.loads((Path(__file__).parent / "result.json").read_text()))))
