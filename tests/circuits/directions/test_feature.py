"""A feature's direction is what one unit of its activation adds to the reconstruction, of a dictionary or of a set."""

from dataclasses import replace

import pytest
import torch
from circuits.attribution.random_transcoders import N_FEATURES, random_set
from circuits.directions.pieces import D_SAE, dictionary, material

from mechlab.circuits.directions.feature import FeatureDirection, feature_rows
from mechlab.core.errors import UsageError
from mechlab.dictionaries.relu import ReluConfig, ReluDictionary


@torch.no_grad()
def added(feature: int) -> torch.Tensor:
    """Return the oracle: one code of 1 decoded, less none."""
    codes = torch.zeros(2, D_SAE)
    codes[0, feature] = 1
    one, none = dictionary().decode(codes)
    return one - none


def test_it_is_what_one_unit_of_activation_adds_whatever_the_row_s_length():
    found = FeatureDirection(feature=5).find(material())
    torch.testing.assert_close(found.scaled, added(5))
    assert dictionary().W_dec[5].norm() < 0.2 and found.scale == pytest.approx(1, rel=1e-5)
    assert found.facts.details == {"feature": 5} and found.site == "resid_post.1"


def test_rows_of_many_features_are_those_of_each():
    _, rows = feature_rows(material(), [4, 0])
    torch.testing.assert_close(rows, torch.stack([added(4), added(0)]))


@pytest.mark.parametrize("kind", ["relu", "topk", "crosslayer_transcoder"])
def test_of_a_set_it_is_what_a_layer_s_feature_adds_to_that_layer_first(kind):
    plain = material()
    transcoders = random_set(kind, plain.model.spec)
    found = FeatureDirection(feature=6, layer=1).find(replace(plain, site=None, dictionary=transcoders))
    code = torch.zeros(N_FEATURES, dtype=torch.float64)
    code[6] = 1
    torch.testing.assert_close(found.scaled, transcoders.written_by(1, code)[0].float())
    assert found.site == "mlp_out.1"


def test_what_is_not_there_or_does_not_fit_is_refused():
    plain = material()
    for feature in (D_SAE, 10_000):
        with pytest.raises(UsageError, match=rf"no such feature: {feature}. Features are 0..23"):
            FeatureDirection(feature=feature).find(plain)
    with pytest.raises(UsageError, match="a dictionary has no layers: 1"):
        FeatureDirection(feature=1, layer=1).find(plain)
    transcoders = replace(plain, dictionary=random_set("relu", plain.model.spec))
    for layer, said in ((None, "'none'"), (3, "3")):
        with pytest.raises(UsageError, match=f"no such layer: {said}. Layers are 0..2"):
            FeatureDirection(feature=1, layer=layer).find(transcoders)
    other = ReluDictionary(ReluConfig(d_in=6, d_sae=10))
    with pytest.raises(UsageError, match=r"dictionary does not fit the site: 6. resid_post.1 of .* has width 32"):
        FeatureDirection(feature=1).find(replace(plain, dictionary=other))
    empty = ReluDictionary(ReluConfig(d_in=32, d_sae=10))
    with torch.no_grad():
        empty.W_dec[2] = 0
    with pytest.raises(UsageError, match=r"direction is zero: 'feature 2 at resid_post.1'"):
        FeatureDirection(feature=2).find(replace(plain, dictionary=empty))
