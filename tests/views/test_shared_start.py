"""What two texts share from their beginning is counted in characters."""

import pytest

from mechlab.views.shared_start import shared_start


@pytest.mark.parametrize(
    ("before", "after", "n"),
    [("", "", 0), ("a", "", 0), ("snow", "snow", 4), ("snow", "snowman", 4), ("a cat", "a cup", 3), ("é", "e", 0)],
)
def test_it_ends_where_the_texts_part(before, after, n):
    assert shared_start(before, after) == shared_start(after, before) == n
