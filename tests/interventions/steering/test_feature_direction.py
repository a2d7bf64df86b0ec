"""A feature's direction is what one unit of its code adds to the reconstruction."""

import pytest
import torch

from mechlab.core.errors import UsageError
from mechlab.dictionaries.relu import ReluConfig, ReluDictionary
from mechlab.dictionaries.topk import TopKConfig, TopKDictionary
from mechlab.interventions.steering.feature_direction import feature_direction


def test_a_features_direction_is_its_decoder_row_at_norm_one():
    dictionary = ReluDictionary(ReluConfig(d_in=6, d_sae=10))
    found = feature_direction(dictionary, 3)
    torch.testing.assert_close(found, dictionary.W_dec[3].detach() / dictionary.W_dec[3].detach().norm())
    torch.testing.assert_close(feature_direction(dictionary, 3, unit=False), dictionary.W_dec[3].detach())


def test_without_unit_norm_it_is_what_one_unit_of_activation_adds():
    """TopK codes are in units of a unit direction, so that is what one unit adds, whatever the row's norm."""
    dictionary = TopKDictionary(TopKConfig(d_in=6, d_sae=10, k=2))
    with torch.no_grad():
        dictionary.b_dec.normal_(generator=torch.Generator().manual_seed(0))
    assert dictionary.W_dec[3].norm() < 0.2
    assert feature_direction(dictionary, 3, unit=False).norm().item() == pytest.approx(1, rel=1e-5)


@pytest.mark.parametrize("feature", [-1, 10])
def test_a_feature_that_does_not_exist_is_refused(feature):
    with pytest.raises(UsageError, match=r"no such feature: -?\d+\. Features are 0\.\.9"):
        feature_direction(ReluDictionary(ReluConfig(d_in=6, d_sae=10)), feature)


def test_a_feature_without_direction_is_refused():
    dictionary = ReluDictionary(ReluConfig(d_in=6, d_sae=10))
    with torch.no_grad():
        dictionary.W_dec[2] = 0
    with pytest.raises(UsageError, match="no direction"):
        feature_direction(dictionary, 2)
