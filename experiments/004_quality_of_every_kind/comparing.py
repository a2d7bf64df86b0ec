"""Which differences between two trainers are larger than what seeds do."""

from collections.abc import Iterable

from mechlab.metrics.over_seeds import over_seeds

HIGHER_IS_BETTER = ("explained_variance", "ce_loss_recovered", "mean_f1", "mean_auc", "mcc", "mean_max_cosine", "f1")
ALSO_COMPARED = ("l0", "dead_share")


def compared(rows: list[dict], ours: str, theirs: str) -> list[dict]:
    """Return, for each data set, kind and number that both have: the means, the paired difference and its interval.

    The interval is Student's of the `n` differences of each seed. `below` says that all of it lies under zero, in a
    number of which more is better; one seed has no interval and says nothing.
    """
    table = []
    for data, kind in dict.fromkeys((row["data"], row["kind"]) for row in rows):
        here = [row for row in rows if (row["data"], row["kind"]) == (data, kind)]
        for number in (*HIGHER_IS_BETTER, *ALSO_COMPARED):
            pairs = list(paired(here, ours, theirs, number))
            if pairs:
                table.append({"data": data, "kind": kind, "number": number, **difference(number, pairs)})
    return table


def paired(rows: list[dict], ours: str, theirs: str, number: str) -> Iterable[tuple[float, float]]:
    """Yield both trainers' number for each seed that has both."""
    found = {(row["arm"], row["seed"]): row[number] for row in rows if number in row}
    for arm, seed in found:
        if arm == ours and (theirs, seed) in found:
            yield found[ours, seed], found[theirs, seed]


def difference(number: str, pairs: list[tuple[float, float]]) -> dict:
    """Return the means of both, the mean difference, its interval over seeds, and whether we are below by more."""
    gap = over_seeds([ours - theirs for ours, theirs in pairs])
    ours, theirs = (sum(side) / len(pairs) for side in zip(*pairs, strict=True))
    below = number in HIGHER_IS_BETTER and len(pairs) > 1 and gap.high < 0
    interval = {"low": gap.low, "high": gap.high, "n": len(pairs)}
    return {"ours": ours, "theirs": theirs, "difference": gap.value, **interval, "below": below}
