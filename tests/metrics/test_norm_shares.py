"""Relative decoder norms are counted per site: planted shares land in their bins, dead features nowhere."""

import numpy as np
import torch

from mechlab.dictionaries.crosscoder import TopKCrosscoder, TopKCrosscoderConfig
from mechlab.dictionaries.topk import TopKConfig, TopKDictionary
from mechlab.metrics.norm_shares import N_BINS, norm_shares

SITES = ("resid_post.0", "resid_post.1", "resid_post.2")


def crosscoder(seed: int = 0) -> TopKCrosscoder:
    return TopKCrosscoder(TopKCrosscoderConfig.of_layers(3, d_in=8, d_sae=50, k=4), seed=seed)


def test_planted_shares_land_in_their_bins():
    planted, draw = crosscoder(), torch.Generator().manual_seed(0)
    norms = torch.rand(50, 3, generator=draw)
    norms[7] = torch.tensor([1.0, 0.0, 0.0])
    directions = torch.nn.functional.normalize(torch.randn(50, 3, 8, generator=draw), dim=-1)
    with torch.no_grad():
        planted.W_dec.copy_((directions * norms[..., None]).flatten(1))
    fired = torch.rand(50, generator=draw) < 0.7
    fired[7] = True
    found = norm_shares(planted, crosscoder(1), fired, SITES)
    shares = (norms / norms.sum(1, keepdim=True))[fired].numpy()
    assert tuple(one.site for one in found) == SITES
    for site, one in enumerate(found):
        expected, _ = np.histogram(shares[:, site], bins=N_BINS, range=(0, 1))
        assert np.abs(np.array(one.counts) - expected).sum() <= 2, "but for values on an edge"
        assert sum(one.counts) == int(fired.sum())
    assert found[0].counts[-1] >= 1 and found[1].counts[0] >= 1


def test_the_control_is_the_untrained_dictionary_which_favours_no_site():
    one_sided = crosscoder()
    with torch.no_grad():
        one_sided.W_dec[:, 8:] = 0
    for place, one in enumerate(norm_shares(one_sided, crosscoder(1), torch.ones(50, dtype=torch.bool), SITES)):
        assert one.counts[0 if place else -1] == sum(one.of_untrained) == 50
        assert sum(one.of_untrained[: N_BINS // 10]) == sum(one.of_untrained[N_BINS // 2 :]) == 0


def test_a_dictionary_of_one_direction_per_feature_has_no_shares():
    plain = TopKDictionary(TopKConfig(d_in=8, d_sae=16, k=2))
    assert norm_shares(plain, plain, torch.ones(16, dtype=torch.bool), ("resid_post.0",)) == ()
