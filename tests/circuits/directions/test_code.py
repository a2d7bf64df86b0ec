"""A code's direction is what it adds where it stands in one slot of its group."""

import pytest
import torch
from circuits.directions.pieces import BOOK, material, snapped

from mechlab.circuits.directions.code import CodeDirection
from mechlab.core.errors import UsageError


def test_it_is_the_code_in_its_group_shared_by_the_slots_and_zero_elsewhere():
    found = CodeDirection(code=12).find(material(codebooks=True))
    wanted = torch.zeros(32)
    wanted[16:24] = snapped().codebook_at("resid_post.1").codes[12].detach() / BOOK.k
    torch.testing.assert_close(found.scaled, wanted)
    assert found.facts.details == {"code": 12} and found.site == "resid_post.1"


def test_codes_that_are_not_there_are_refused():
    with pytest.raises(UsageError, match=r"no such code at resid_post.1: 20. Codes are 0..19"):
        CodeDirection(code=20).find(material(codebooks=True))
    with pytest.raises(UsageError, match="model has no codebooks"):
        CodeDirection(code=0).find(material())
