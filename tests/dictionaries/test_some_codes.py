"""Codes of some features are those of all of them, picked; where features do not compete, others are not encoded."""

import pytest
import torch

from mechlab.dictionaries import KINDS
from mechlab.dictionaries.layered import Layered
from mechlab.dictionaries.some_codes import encoder_of

FEATURES = torch.tensor([7, 31, 0, 12])


@pytest.mark.parametrize("kind", KINDS)
def test_they_are_those_that_encoding_all_gives(kind, worn, vectors):
    dictionary = worn(kind)
    x = vectors[:24].reshape(2, 12, -1)
    codes = dictionary.encode(x)[..., FEATURES]
    assert (codes > 0).any() and (codes == 0).any()
    torch.testing.assert_close(encoder_of(dictionary, FEATURES)(x), codes)


@pytest.mark.parametrize("kind", KINDS)
def test_where_features_do_not_compete_no_others_are_encoded(kind, worn, vectors):
    dictionary = worn(kind)
    found = encoder_of(dictionary, FEATURES)
    with torch.no_grad():
        before = found(vectors)
        dictionary.encoder.fill_(torch.nan)
        alone = not (dictionary.codes_compete or isinstance(dictionary, Layered))
        assert bool(torch.equal(found(vectors), before)) == alone


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_says_whether_its_codes_compete(kind, worn, vectors):
    """Another feature that grows without bound pushes out a code only where codes compete."""
    dictionary = worn(kind)
    pre = torch.rand(5, 40) + 5
    more = pre.clone()
    more[:, 10:20] += 1000
    with torch.no_grad():
        changed = not torch.equal(dictionary.activate(pre)[:, :10], dictionary.activate(more)[:, :10])
    assert changed == dictionary.codes_compete
