"""Labels are found by what people write, and what is not there is told with what is."""

import pytest
import torch

from mechlab.core.errors import UnknownName
from mechlab.corpora.labels import label_asked, labelled
from mechlab.corpora.rows import TokenRows

NAMES = {"season": ("spring", "winter"), "mood": ("glad", "sad")}


def test_a_label_has_a_value_or_any():
    assert label_asked(NAMES, "season=winter") == ("season", 1)
    assert label_asked(NAMES, "mood") == ("mood", None)


@pytest.mark.parametrize(
    ("names", "asked", "said"),
    [
        (NAMES, "year", "no such label: 'year'. Labels are season, mood."),
        ({}, "year=1", "no such label: 'year'. The corpus has no labels."),
        (NAMES, "mood=", "mood has no such value: ''. Values are glad, sad."),
        (NAMES, "mood=angry", "mood has no such value: 'angry'. Values are glad, sad."),
    ],
)
def test_what_is_not_there_is_told_with_what_is(names, asked, said):
    with pytest.raises(UnknownName) as caught:
        label_asked(names, asked)
    assert str(caught.value) == said


def test_tokens_carry_a_value_or_any_and_others_none():
    tokens = torch.zeros(2, 3, dtype=torch.int32)
    labels = {"season": torch.tensor([[-1, 0, 1], [1, 1, -1]], dtype=torch.int8)}
    rows = TokenRows(tokens, torch.zeros(2, 3, dtype=torch.bool), "f", labels, {"season": NAMES["season"]})
    assert labelled(rows, "season=winter").tolist() == [[False, False, True], [True, True, False]]
    assert labelled(rows, "season=spring").tolist() == [[False, True, False], [False, False, False]]
    assert labelled(rows, "season").tolist() == [[False, True, True], [True, True, False]]
    rows.special[0] = True
    assert not labelled(rows, "season")[0].any() and labelled(rows, "season")[1].any()
