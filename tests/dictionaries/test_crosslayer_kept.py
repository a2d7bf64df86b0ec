"""Training on kept codes alone gives the loss and the gradient of the whole dense computation, layer by layer."""

from typing import Any

import pytest
import torch
from torch import Tensor

from mechlab.dictionaries.crosslayer_kept import KeptCrosslayer
from mechlab.dictionaries.crosslayer_transcoder import BatchTopKCrosslayerTranscoder, TopKCrosslayerTranscoder
from mechlab.dictionaries.dictionary import StepContext

N, D_IN, D_OUT, FEATURES, BATCH = 3, 4, 5, 12, 20
CASES = [
    (TopKCrosslayerTranscoder, {"k": 3}),
    (TopKCrosslayerTranscoder, {"k": 3, "rescale_acts_by_decoder_norm": False}),
    (BatchTopKCrosslayerTranscoder, {"k": 2.5}),
    (BatchTopKCrosslayerTranscoder, {"k": 2.5, "rescale_acts_by_decoder_norm": False}),
]


def uneven(kind: type[KeptCrosslayer], options: dict[str, Any]) -> KeptCrosslayer:
    """Return a dictionary in float64 with parameters far from their start, other norms at every layer."""
    dictionary = kind(kind.Config.of_layers(N, d_in=D_IN, d_sae=FEATURES, d_out=D_OUT, **options))
    draw = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in dictionary.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=draw) * 0.3)
        for block in dictionary.decoder:
            block.mul_(torch.rand(block.shape, generator=draw) * 3)
    return dictionary.double()


def data() -> tuple[Tensor, Tensor]:
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(BATCH, N * D_IN, generator=draw, dtype=torch.float64)
    return x, torch.randn(BATCH, N * D_OUT, generator=draw, dtype=torch.float64)


def by_definition(dictionary: KeptCrosslayer, x: Tensor, y: Tensor, dead: Tensor) -> dict[str, Tensor]:
    """Return the loss's parts from one code, one layer and one target layer at a time."""
    config, wanted = dictionary.config, D_IN // 2
    pre = [part @ own.T for part, own in zip(x.split(D_IN, 1), dictionary.encoder.split(FEATURES), strict=True)]
    pre = [own + bias for own, bias in zip(pre, dictionary.b_enc.split(FEATURES), strict=True)]
    norms = [block.square().sum(1).sqrt() for block in dictionary.decoder]
    compared = [
        own * (norm if config.rescale_acts_by_decoder_norm else 1.0) for own, norm in zip(pre, norms, strict=True)
    ]
    if isinstance(dictionary, TopKCrosslayerTranscoder):
        on = [own >= own.topk(config.k).values[:, -1:] for own in compared]
    else:
        least = torch.cat(compared).relu().flatten().topk(int(config.k * BATCH * N)).values[-1]
        on = [own >= least for own in compared]
    rebuilt = written([own.relu() * keep for own, keep in zip(pre, on, strict=True)], dictionary, dictionary.b_dec)
    best = []
    for layer, own in enumerate(pre):
        ranked = compared[layer].masked_fill(~dead[layer * FEATURES : (layer + 1) * FEATURES], -torch.inf)
        mask = (ranked >= ranked.topk(wanted).values[:, -1:]) & ranked.isfinite()
        best.append(own * mask)
    revived = written(best, dictionary, torch.zeros_like(dictionary.b_dec))
    aux = (revived - (y - rebuilt).detach()).square().sum(1).mean() * min(1.0, dead.sum().item() / (wanted * N))
    return {"mse": (rebuilt - y).square().sum(1).mean(), "aux": aux}


def written(codes: list[Tensor], dictionary: KeptCrosslayer, bias: Tensor) -> Tensor:
    layers = list(bias.expand(BATCH, -1).split(D_OUT, 1))
    for reads, own in enumerate(codes):
        for target in range(reads, N):
            block = dictionary.decoder[reads][:, (target - reads) * D_OUT : (target - reads + 1) * D_OUT]
            layers[target] = layers[target] + own @ block
    return torch.cat(layers, 1)


@pytest.mark.parametrize("dead_every", [4, 9, 36])
@pytest.mark.parametrize(("kind", "options"), CASES)
def test_loss_and_gradient_are_those_of_the_definition(
    kind: type[KeptCrosslayer], options: dict[str, Any], dead_every: int
) -> None:
    dictionary = uneven(kind, options)
    x, y = data()
    dead = torch.arange(N * FEATURES) % dead_every == 0
    losses = dictionary.loss(x, y, StepContext(0, dead))
    losses.total.backward()
    ours = {name: parameter.grad for name, parameter in dictionary.named_parameters()}
    dictionary.zero_grad()
    parts = by_definition(dictionary, x, y, dead)
    sum(parts.values()).backward()
    for name, part in parts.items():
        torch.testing.assert_close(losses.parts[name], part, msg=name)
    for name, parameter in dictionary.named_parameters():
        torch.testing.assert_close(ours[name], parameter.grad, msg=name)


@pytest.mark.parametrize(("kind", "options"), CASES[:2])
def test_the_reconstruction_while_training_is_that_of_encoding_and_decoding(
    kind: type[KeptCrosslayer], options: dict[str, Any]
) -> None:
    dictionary, (x, y) = uneven(kind, options), data()
    losses = dictionary.loss(x, y, StepContext(0, torch.zeros(N * FEATURES, dtype=torch.bool)))
    torch.testing.assert_close(losses.reconstruction, dictionary(x))
    codes = dictionary.encode(x)
    assert torch.equal(losses.fired, (codes > 0).any(0))
    torch.testing.assert_close(losses.l0, (codes > 0).sum() / torch.tensor(float(BATCH)))
    assert (dictionary.layer_codes(codes) > 0).sum(2).max() <= 3


def test_without_dead_features_nothing_is_revived() -> None:
    dictionary, (x, y) = uneven(*CASES[0]), data()
    assert dictionary.loss(x, y, StepContext(0, torch.zeros(N * FEATURES, dtype=torch.bool))).parts["aux"] == 0
