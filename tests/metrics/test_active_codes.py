"""The list of active codes says what the table of all codes says, and what stands around each of them."""

import pytest
import torch

from mechlab.corpora.rows import TokenRows
from mechlab.dictionaries.relu import ReluConfig, ReluDictionary
from mechlab.dictionaries.topk import TopKConfig, TopKDictionary
from mechlab.metrics.active_codes import ActiveCodes
from mechlab.metrics.passes import at_site

KINDS = {
    "topk": lambda: TopKDictionary(TopKConfig(d_in=32, d_sae=24, k=5)),
    "relu": lambda: ReluDictionary(ReluConfig(d_in=32, d_sae=24)),
}


@pytest.fixture(params=KINDS)
def seen(request, model, rows) -> tuple[ActiveCodes, torch.Tensor, TokenRows]:
    """Return the list, the table of all codes with none on special tokens, and the rows."""
    dictionary = KINDS[request.param]()
    (batch,) = at_site(model, rows, "resid_post.1", len(rows), "x")
    with torch.no_grad():
        dense = dictionary.encode(batch.inputs) * batch.scored[..., None]
        return ActiveCodes.of(dictionary, batch), dense, rows


def test_the_list_holds_each_code_above_0_once_in_order(seen):
    active, dense, _ = seen
    rebuilt = torch.zeros_like(dense)
    rebuilt[active.row, active.position, active.feature] = active.value
    assert torch.equal(rebuilt, dense)
    where = (active.row * 1000 + active.position) * 1000 + active.feature
    assert (where.diff() > 0).all() and len(where) == (dense > 0).sum()


def test_special_tokens_do_not_count(seen):
    active, _, rows = seen
    assert torch.equal(active.place, (~rows.special).flatten().nonzero()[:, 0])


def test_around_a_code_stand_the_same_feature_s_codes_of_the_same_row(seen):
    active, dense, rows = seen
    some = torch.arange(0, len(active.token), 3)
    places, inside, values = active.around(some, 4, 2)
    for line, code in enumerate(some.tolist()):
        row, position, feature = (int(part[code]) for part in (active.row, active.position, active.feature))
        for column, offset in enumerate(range(-4, 3)):
            there = 0 <= position + offset < rows.row_length
            assert inside[line, column] == there
            assert values[line, column] == (dense[row, position + offset, feature] if there else 0)
            if there:
                assert places[line, column] == row * rows.row_length + position + offset


def test_rows_of_special_tokens_alone_have_no_codes(model, rows):
    silent = TokenRows(rows.tokens, torch.ones_like(rows.special), "silent")
    (batch,) = at_site(model, silent, "resid_post.1", len(rows), "x")
    active = ActiveCodes.of(KINDS["topk"](), batch)
    assert len(active.token) == len(active.place) == 0
    assert [part.shape for part in active.around(torch.arange(0), 1, 1)] == [(0, 3)] * 3
