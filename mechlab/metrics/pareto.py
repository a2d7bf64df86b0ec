"""The Pareto front: what nothing else beats at once in cost and in gain."""

from collections.abc import Sequence


def pareto_front(points: Sequence[tuple[float, float]]) -> tuple[int, ...]:
    """Return which of the (cost, gain) points have no other that costs no more, gains no less, and is better in one.

    Returns:
        Their places, the cheapest first; points that are equal are all on the front or all off it.
    """
    by_cost = sorted(range(len(points)), key=lambda place: (points[place][0], -points[place][1]))
    front: list[int] = []
    for place in by_cost:
        if not front or points[place][1] > points[front[-1]][1] or points[place] == points[front[-1]]:
            front.append(place)
    return tuple(front)
