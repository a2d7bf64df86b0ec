"""Directions of norm one: the decoder's rows stay on the sphere, and gradients along them are dropped."""

import torch

from mechlab.dictionaries.dictionary import Dictionary


@torch.no_grad()
def normalise_decoder(dictionary: Dictionary) -> None:
    """Scale every feature's direction to norm one."""
    dictionary.W_dec.div_(dictionary.decoder_norms().clamp(min=1e-8)[:, None])


@torch.no_grad()
def project_decoder_gradient(dictionary: Dictionary) -> None:
    """Remove from the decoder's gradient what would only change the length of a direction.

    Source: Bricken et al. 2023, "Towards Monosemanticity", training details.
    """
    grad, W_dec = dictionary.W_dec.grad, dictionary.W_dec
    assert grad is not None, "a loss was differentiated"
    along = (grad * W_dec).sum(-1, keepdim=True) / W_dec.square().sum(-1, keepdim=True).clamp(min=1e-16)
    grad.sub_(along * W_dec)
