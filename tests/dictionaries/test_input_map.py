"""What is folded gives, before the map, the codes and the output that the dictionary gives behind it."""

import pytest
import torch
from circuits.attribution.random_transcoders import CROSS_LAYER, PER_LAYER, random_set, shaken
from oracles.tiny_models import D_MODEL, N_LAYERS, tiny

from mechlab.core.errors import UsageError
from mechlab.dictionaries.gated import GatedDictionary
from mechlab.dictionaries.input_map import before_map
from mechlab.dictionaries.relu import ReluDictionary
from mechlab.models.huggingface import HuggingFaceModel

SPEC = HuggingFaceModel(tiny("gpt2")).spec


def drawn(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(sum(shape)))


@pytest.mark.parametrize("kind", [*PER_LAYER, *CROSS_LAYER])
def test_it_makes_of_x_what_the_dictionary_makes_of_the_map_of_x(kind):
    dictionary = random_set(kind, SPEC).layers[0]
    width = dictionary.config.d_in
    assert width == (N_LAYERS * D_MODEL if kind in CROSS_LAYER else D_MODEL)
    gain, shift, x = 1 + 0.5 * drawn(width), drawn(width), drawn(20, width)
    before = {name: value.clone() for name, value in dictionary.state_dict().items()}
    made = before_map(dictionary, gain, shift)
    assert torch.allclose(made.encode(x), dictionary.encode(gain * x + shift), atol=1e-12)
    assert torch.allclose(made(x), dictionary(gain * x + shift), atol=1e-12)
    assert (made.encode(x) - dictionary.encode(x)).abs().max() > 0.1
    assert all(torch.equal(value, before[name]) for name, value in dictionary.state_dict().items())


def test_a_second_bias_or_a_centre_is_refused():
    sizes = {"d_in": 4, "d_sae": 6}
    for one in (
        GatedDictionary(GatedDictionary.Config(**sizes, d_out=4)),
        ReluDictionary(ReluDictionary.Config(**sizes)),
    ):
        with pytest.raises(UsageError, match="cannot read before a map"):
            before_map(shaken(one, torch.float64, 0), drawn(4), drawn(4))
