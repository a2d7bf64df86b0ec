"""A dictionary's features that write or read along a direction are found, and others are at chance."""

import pytest
import torch

from mechlab.circuits.channels.feature_ends import feature_ends
from mechlab.core.errors import UsageError
from mechlab.dictionaries.topk import TopKConfig, TopKDictionary

D = 48


def unit(seed: int) -> torch.Tensor:
    direction = torch.randn(D, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return direction / direction.norm()


@pytest.fixture
def dictionary():
    found = TopKDictionary(TopKConfig(d_in=D, d_sae=300, k=4))
    with torch.no_grad():
        found.W_dec[5] = 0.3 * unit(0).float()
        found.W_dec[6] = -2.0 * unit(0).float()
        found.W_enc[:, 8] = 7.0 * unit(0).float()
    return found


def test_planted_features_are_first_with_their_sign_whatever_their_length(dictionary):
    found = feature_ends(dictionary, unit(0), D)
    assert {one.number: round(one.part, 4) for one in found.writers.largest(2)} == {5: 1.0, 6: -1.0}
    assert found.readers.most(1)[0].number == 8 and found.readers.p_largest < 1e-12
    assert 0.05 < found.writers.share_beyond(0.1) < 0.16


def test_cosines_are_those_of_a_loop(dictionary):
    found = feature_ends(dictionary, unit(1), D)
    for number in range(300):
        row, column = dictionary.W_dec[number].detach().double(), dictionary.W_enc[:, number].detach().double()
        assert float(found.writers.parts[number]) == pytest.approx(float(row @ unit(1) / row.norm()))
        assert float(found.readers.parts[number]) == pytest.approx(float(column @ unit(1) / column.norm()))


def test_in_a_centred_stream_a_feature_s_mean_over_the_stream_does_not_count(dictionary):
    along = unit(0) - unit(0).mean()
    along = along / along.norm()
    with torch.no_grad():
        dictionary.W_dec[5] += 3.0
    found = feature_ends(dictionary, along, D - 1)
    assert abs(found.writers.largest(1)[0].z) > 0.99 * (D - 1) ** 0.5
    assert float(found.writers.z[5]) > 0.99 * (D - 1) ** 0.5


def test_a_transcoder_is_asked_only_for_the_ends_that_are_the_stream_s():
    found = TopKDictionary(TopKConfig(d_in=20, d_out=D, d_sae=30, k=4))
    only = feature_ends(found, unit(0), D, reads=False)
    assert only.readers is None and only.writers is not None
    with pytest.raises(UsageError, match=r"reads vectors of another width: 20\. The residual stream has 48"):
        feature_ends(found, unit(0), D)
    other = TopKDictionary(TopKConfig(d_in=D, d_out=20, d_sae=30, k=4))
    with pytest.raises(UsageError, match="writes vectors of another width: 20"):
        feature_ends(other, unit(0), D)
    only = feature_ends(other, unit(0), D, writes=False)
    assert only.writers is None and only.readers is not None
    with pytest.raises(UsageError, match="neither reads nor writes"):
        feature_ends(found, unit(0), D, reads=False, writes=False)
