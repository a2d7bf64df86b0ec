"""The Pareto front, against its definition."""

from hypothesis import given
from hypothesis import strategies as st

from mechlab.metrics.pareto import pareto_front

POINTS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=12)


def beaten(point, points):
    return any(c <= point[0] and g >= point[1] and (c, g) != point for c, g in points)


@given(POINTS)
def test_the_front_is_what_nothing_beats(points):
    front = pareto_front(points)
    assert set(front) == {place for place, point in enumerate(points) if not beaten(point, points)}
    assert [points[place][0] for place in front] == sorted(points[place][0] for place in front)
