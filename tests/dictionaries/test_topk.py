"""TopK keeps k codes of every vector, ranked by what they contribute."""

import pytest
import torch

from mechlab.core.config import build
from mechlab.core.errors import ConfigError
from mechlab.dictionaries.topk import TopKConfig, TopKDictionary


def dictionary(rescale: bool) -> TopKDictionary:
    made = TopKDictionary(TopKConfig(d_in=3, d_sae=3, k=1, rescale_acts_by_decoder_norm=rescale))
    with torch.no_grad():
        made.encoder.copy_(torch.eye(3))
        made.W_dec.copy_(torch.diag(torch.tensor([1.0, 5.0, 1.0])))
    return made


def test_the_largest_code_is_kept() -> None:
    codes = dictionary(rescale=False).encode(torch.tensor([3.0, 1.0, 2.0]))
    assert codes.tolist() == [3.0, 0.0, 0.0]


def test_rescaled_codes_are_measured_in_units_of_a_unit_direction() -> None:
    rescaled = dictionary(rescale=True)
    codes = rescaled.encode(torch.tensor([3.0, 1.0, 2.0]))
    assert codes.tolist() == [0.0, 5.0, 0.0]
    assert rescaled.decode(codes).tolist() == [0.0, 5.0, 0.0]


def test_negative_codes_are_not_kept_even_among_the_k_largest() -> None:
    assert dictionary(rescale=True).encode(-torch.ones(3)).tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("k", [0, 4, 1.5])
def test_k_outside_the_dictionary_is_refused(k: float) -> None:
    with pytest.raises(ConfigError, match=r"TopKConfig\.k is not valid"):
        build(TopKConfig, {"d_in": 3, "d_sae": 3, "k": k})
