"""Directions of norm one: the decoder's rows stay on the sphere, and gradients along them are dropped."""

import torch

from mechlab.dictionaries.dictionary import Dictionary


@torch.no_grad()
def normalise_decoder(dictionary: Dictionary) -> None:
    """Scale every feature's direction to norm one."""
    dictionary.divide_directions(dictionary.decoder_norms().clamp(min=1e-8))


@torch.no_grad()
def project_decoder_gradient(dictionary: Dictionary) -> None:
    """Remove from the decoder's gradient what would only change the length of a direction.

    Source: Bricken et al. 2023, "Towards Monosemanticity", training details.
    """
    for block in dictionary.decoder_blocks():
        assert block.grad is not None, "a loss was differentiated"
        along = (block.grad * block).sum(-1, keepdim=True) / block.square().sum(-1, keepdim=True).clamp(min=1e-16)
        block.grad.sub_(along * block)
