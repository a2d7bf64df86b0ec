"""What metrics look at: every row once, in order, at the sites that are read."""

import pytest
import torch

from mechlab.core.errors import UsageError
from mechlab.metrics.passes import at_site

SITE = "resid_post.1"


def test_rows_are_yielded_once_and_in_order(model, rows):
    batches = list(at_site(model, rows, SITE, 2, "reading"))
    assert [len(batch.rows) for batch in batches] == [2, 2, 1]
    assert torch.equal(torch.cat([batch.tokens for batch in batches]), rows.tokens)
    torch.testing.assert_close(
        torch.cat([batch.inputs for batch in batches]), model.activations(rows.tokens, [SITE])[SITE]
    )


def test_a_site_with_one_vector_per_head_is_refused(model, rows):
    with pytest.raises(UsageError, match="more than one vector per token"):
        list(at_site(model, rows, "z.1", 2, "reading"))


def test_several_sites_are_read_side_by_side(model, rows):
    sites = ["ln2_normalized.0", "ln2_normalized.1"]
    read = torch.cat([one.inputs for one in at_site(model, rows, f"{','.join(sites)} -> mlp_out.1", 2, "reading")])
    found = model.activations(rows.tokens, sites)
    torch.testing.assert_close(read, torch.cat([found[site] for site in sites], -1))
