"""Tables of what was found: each way over the seeds, with an interval over them, and what was screened."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

T_OF_THREE = {2: 12.71, 3: 4.30}


def over_seeds(values: Sequence[float], percent: bool = True) -> str:
    """Return the mean of the seeds and its 95 % interval by Student's law."""
    times, digits = (100, 0) if percent else (1, 2)
    told = f"{times * mean(values):.{digits}f}"
    if len(values) not in T_OF_THREE:
        return told
    half = T_OF_THREE[len(values)] * stdev(values) / len(values) ** 0.5
    low, high = (times * (mean(values) + sign * half) for sign in (-1, 1))
    return f"{told} [{low:.{digits}f}, {high:.{digits}f}]"


def rows_of(name: str, seeds: Sequence[Mapping[str, Any]], places: Sequence[Mapping[str, str]]) -> Iterator[str]:
    """Yield a row of the table for every way on a cause."""
    yield f"| {name} | as it is |  |  | {over_seeds([one['own']['concept'][0] for one in seeds])} | 0 |  |  |  |"
    for way in seeds[0]["ways"]:
        yield f"| {name} | {way} | {site_of(way, places)} | {row_of([one['ways'][way] for one in seeds])} |"


def row_of(ways: Sequence[Mapping[str, Any]]) -> str:
    """Return a way's cells: strengths, share, loss, distinct pairs, trend, loss on other rows."""
    strengths = ", ".join(f"{one['taken']:g}" for one in ways)
    share = over_seeds([one["fresh"]["concept"][0] for one in ways])
    loss = over_seeds([one["fresh"]["increase"][0] for one in ways])
    distinct = over_seeds([one["fresh"]["distinct"] for one in ways], percent=False)
    trends = [one["trend"] for one in ways if one["trend"] is not None]
    costs = [one["costs"]["loss"][0] for one in ways if one["costs"]]
    trend = f"{mean(trends):.2f}" if trends else ""
    return f"{strengths} | {share} | {loss} | {distinct} | {trend} | {over_seeds(costs) if costs else ''}"


def site_of(way: str, places: Sequence[Mapping[str, str]]) -> str:
    """Return where a way steers; drawn directions stand where those they are held against do."""
    kind = way.partition(", ")[0]
    kind = {"random": "observable", "random_feature": "feature"}.get(kind, kind)
    return next((one["site"] for one in places if one["kind"] == kind), "")


def reached(way: Sequence[Mapping[str, Any]], terms: Mapping[str, float]) -> bool:
    """Tell whether the mean over the seeds has what is wanted at what may be paid."""
    share = mean(one["fresh"]["concept"][0] for one in way)
    return share >= terms["wanted"] and mean(one["fresh"]["increase"][0] for one in way) <= terms["most_increase"]


if __name__ == "__main__":
    told = json.loads((Path(__file__).parent / "result.json").read_text())
    print("| cause | way | site | strengths | share, % | more loss, % | different pairs | trend | other rows, % |")
    print("|---|---|---|---|---|---|---|---|---|")
    for cause, one in told["causes"].items():
        print("\n".join(rows_of(cause, list(one.values()), told["places"][cause]["taken"])))
