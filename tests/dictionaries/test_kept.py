"""Training on kept codes alone gives the gradient of the whole dense computation, decoder norms included."""

import pytest
import torch

from mechlab.dictionaries import KINDS
from mechlab.dictionaries.dictionary import StepContext


@pytest.mark.parametrize("rescale", [True, False])
@pytest.mark.parametrize("kind", ["topk", "batchtopk"])
def test_the_gradient_is_that_of_dense_autograd_through_the_norms(kind: str, rescale: bool) -> None:
    made = KINDS[kind]
    dictionary = made(made.Config(d_in=6, d_sae=30, k=4, rescale_acts_by_decoder_norm=rescale)).double()
    draw = torch.Generator().manual_seed(0)
    with torch.no_grad():
        dictionary.W_dec.mul_(torch.rand(30, 1, generator=draw) * 5 + 1)
        dictionary.b_dec.add_(0.1)
    x = torch.randn(50, 6, generator=draw, dtype=torch.float64)
    losses = dictionary.loss(x, x, StepContext(0, torch.zeros(30, dtype=torch.bool)))
    losses.total.backward()
    ours = {name: parameter.grad for name, parameter in dictionary.named_parameters()}
    dictionary.zero_grad()
    norms = dictionary.W_dec.norm(dim=-1) if rescale else torch.ones(30, dtype=torch.float64)
    codes = ((x - dictionary.b_dec) @ dictionary.W_enc + dictionary.b_enc) * norms
    mask = torch.zeros_like(codes).scatter(1, codes.topk(4).indices, 1.0)
    if kind == "batchtopk":
        mask = (codes >= codes.flatten().topk(200).values[-1]).double()
    reconstruction = ((codes * mask).relu() / norms) @ dictionary.W_dec + dictionary.b_dec
    torch.testing.assert_close(losses.reconstruction, reconstruction)
    (reconstruction - x).square().sum(-1).mean().backward()
    for name, parameter in dictionary.named_parameters():
        torch.testing.assert_close(ours[name], parameter.grad, msg=name)
