"""A table of features comes back from its stored form as it was; what does not belong together is refused."""

import pytest
import torch
from metrics.sample_features import sample_table

from mechlab.core.errors import ArtifactError, UsageError
from mechlab.metrics.feature_table import FeatureTable


def test_the_stored_form_has_at_most_two_axes_and_gives_the_table_back():
    table = sample_table()
    columns, facts = table.stored()
    assert all(column.ndim <= 2 for column in columns.values())
    again = FeatureTable.restored(columns, facts)
    assert again.facts == table.facts
    for name, column in table.columns.items():
        torch.testing.assert_close(again.columns[name], column, rtol=0, atol=0, equal_nan=True)


def test_a_context_is_cut_at_the_row_s_borders():
    first, last = sample_table().top(0)
    assert (first.row, first.start, first.focus) == (2, 3, 2)
    assert first.tokens == (" a", " b", " c", " d") and first.activations == (0.0, 1.0, 4.0, 0.5)
    assert (last.row, last.start, last.focus) == (0, 0, 0) and last.tokens == (" c", " d")


def test_bands_are_the_weakest_first_and_may_be_empty():
    weak, strong = sample_table().bands(0)
    assert [one.activations[one.focus] for one in weak] == [1.0] and strong == ()


def test_a_dead_feature_has_a_line_of_zeros():
    table = sample_table()
    assert (table.frequency[1], table.mean[1]) == (0, 0) and table.top(1) == () and table.bands(1) == ((), ())


def test_a_feature_there_is_not_is_refused():
    with pytest.raises(UsageError, match=r"no such feature: 2. Features are 0\.\.1\."):
        sample_table().refuse_unknown([0, 2])


@pytest.mark.parametrize("change", ["lacks", "narrow", "facts", "texts"])
def test_what_does_not_belong_together_is_damaged(change):
    columns, facts = sample_table().stored()
    if change == "lacks":
        del columns["edges"]
    elif change == "narrow":
        columns["top_tokens"] = columns["top_tokens"][:, :-1]
    elif change == "facts":
        facts["n_tokens"] = -3
    else:
        facts["texts"] = facts["texts"][1:]
    with pytest.raises(ArtifactError, match="table of features is damaged"):
        FeatureTable.restored(columns, facts)
