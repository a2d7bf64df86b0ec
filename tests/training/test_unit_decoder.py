"""A unit decoder turns directions and never stretches them."""

from collections.abc import Callable
from typing import Any

import torch

from mechlab.dictionaries.relu import ReluConfig, ReluDictionary
from mechlab.training.loop import fit
from mechlab.training.source import TensorSource
from mechlab.training.unit_decoder import normalise_decoder, project_decoder_gradient


def test_the_projected_gradient_is_orthogonal_to_every_direction_and_keeps_the_rest() -> None:
    dictionary = ReluDictionary(ReluConfig(d_in=5, d_sae=7, decoder_init_norm=3.0))
    grad = torch.randn(7, 5, generator=torch.Generator().manual_seed(0))
    dictionary.W_dec.grad = grad.clone()
    project_decoder_gradient(dictionary)
    projected = dictionary.W_dec.grad
    torch.testing.assert_close((projected * dictionary.W_dec).sum(-1), torch.zeros(7), rtol=0, atol=1e-5)
    removed = grad - projected
    cosine = torch.nn.functional.cosine_similarity(removed, dictionary.W_dec, dim=-1).abs()
    torch.testing.assert_close(cosine, torch.ones(7))


def test_normalising_keeps_directions() -> None:
    dictionary = ReluDictionary(ReluConfig(d_in=5, d_sae=7, decoder_init_norm=3.0))
    before = dictionary.W_dec.detach().clone()
    normalise_decoder(dictionary)
    torch.testing.assert_close(dictionary.W_dec.detach(), before / 3.0)


def test_projection_is_part_of_training_with_a_unit_decoder(
    planted: Any, make: Callable[..., Any], quick: Callable[..., Any]
) -> None:
    dictionaries = {}
    for decoder in ("unit", "free"):
        dictionaries[decoder] = make("relu", decoder_init_norm=1.0)
        config = quick(n_tokens=100, decoder=decoder, grad_clip=None, lr_warmup_fraction=0.0)
        fit(dictionaries[decoder], TensorSource(planted.rows, 100), config)
    cosine = torch.nn.functional.cosine_similarity(dictionaries["unit"].W_dec, dictionaries["free"].W_dec, dim=-1)
    assert cosine.min() < 1 - 1e-6
