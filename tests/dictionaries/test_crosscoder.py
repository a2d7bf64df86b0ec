"""Crosscoders compute what their definition says, layer by layer, and tell shared features from exclusive ones."""

from typing import Any

import pytest
import torch
from torch import Tensor

from mechlab.core.config import build
from mechlab.dictionaries import KINDS
from mechlab.dictionaries.crosscoder import (
    BatchTopKCrosscoder,
    BatchTopKCrosscoderConfig,
    CrosscoderDictionary,
    ManyLayers,
    TopKCrosscoder,
)
from mechlab.dictionaries.dictionary import Dictionary, StepContext
from mechlab.dictionaries.sharing import Sharing, sharing
from mechlab.training.config import TrainConfig
from mechlab.training.loop import fit
from mechlab.training.source import TensorSource

N, D_IN, D_OUT, D_SAE, BATCH = 3, 4, 5, 24, 30
CASES = [
    (CrosscoderDictionary, {"l1_coefficient": 0.7}),
    (TopKCrosscoder, {"k": 4}),
    (TopKCrosscoder, {"k": 4, "rescale_acts_by_decoder_norm": False}),
    (BatchTopKCrosscoder, {"k": 3.5}),
    (BatchTopKCrosscoder, {"k": 3.5, "rescale_acts_by_decoder_norm": False}),
]


def uneven(dictionary: Dictionary) -> Dictionary:
    """Return the dictionary in float64 with parameters far from their start, other norms at every layer."""
    draw = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in dictionary.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=draw) * 0.3)
        dictionary.W_dec.mul_(torch.rand(dictionary.W_dec.shape, generator=draw) * 3)
    return dictionary.double()


def worth(dictionary: Dictionary) -> Tensor:
    """Return each feature's sum of norms, by the definition."""
    layers = dictionary.W_dec.split(D_OUT, dim=1)
    return sum((layer.square().sum(1).sqrt() for layer in layers), start=torch.zeros(()))


def chosen(dictionary: Dictionary, pre: Tensor) -> Tensor:
    """Return the codes by the definition of the kind's activation."""
    config = dictionary.config
    if isinstance(dictionary, CrosscoderDictionary):
        return pre.relu()
    compared = (pre * worth(dictionary) if config.rescale_acts_by_decoder_norm else pre).detach()
    if isinstance(dictionary, TopKCrosscoder):
        least = compared.topk(config.k).values[:, -1:]
    else:
        least = compared.relu().flatten().topk(int(config.k * len(pre))).values[-1]
    return pre.relu() * (compared >= least)


def by_definition(dictionary: Dictionary, x: Tensor, y: Tensor, dead: Tensor) -> dict[str, Tensor]:
    """Return the loss's parts, written layer by layer."""
    config = dictionary.config
    readers = dictionary.encoder.split(D_IN, dim=1)
    pre = sum((part @ own.T for part, own in zip(x.split(D_IN, 1), readers, strict=True)), start=dictionary.b_enc)
    codes = chosen(dictionary, pre)
    writers, biases = dictionary.W_dec.split(D_OUT, 1), dictionary.b_dec.split(D_OUT)
    rebuilt = [codes @ own + bias for own, bias in zip(writers, biases, strict=True)]
    errors = [(own - part).square().sum(1).mean() for own, part in zip(rebuilt, y.split(D_OUT, 1), strict=True)]
    if isinstance(dictionary, CrosscoderDictionary):
        return {"mse": sum(errors), "l1": config.l1_coefficient * (codes * worth(dictionary)).sum(1).mean()}
    left_over = (y - torch.cat(rebuilt, 1)).detach()
    revived = (pre[:, dead] @ dictionary.W_dec[dead] - left_over).square().sum(1).mean()
    return {"mse": sum(errors), "aux": dead.sum() / (N * D_IN // 2) * revived}


@pytest.mark.parametrize("few_fire", [False, True])
@pytest.mark.parametrize(("kind", "options"), CASES)
def test_loss_and_gradient_are_those_of_the_definition(
    kind: type[ManyLayers], options: dict[str, Any], few_fire: bool
) -> None:
    dictionary = uneven(kind(kind.Config.of_layers(N, d_in=D_IN, d_out=D_OUT, d_sae=D_SAE, **options)))
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(BATCH, N * D_IN, generator=draw, dtype=torch.float64)
    y = torch.randn(BATCH, N * D_OUT, generator=draw, dtype=torch.float64)
    dead = torch.arange(D_SAE) % 6 == 0
    losses = dictionary.loss(x, y, StepContext(0, dead, few_fire))
    losses.total.backward()
    ours = {name: parameter.grad for name, parameter in dictionary.named_parameters()}
    dictionary.zero_grad()
    parts = by_definition(dictionary, x, y, dead)
    sum(parts.values()).backward()
    assert losses.parts.keys() == parts.keys()
    for name, part in parts.items():
        torch.testing.assert_close(losses.parts[name], part, msg=name)
    for name, parameter in dictionary.named_parameters():
        torch.testing.assert_close(ours[name], parameter.grad, msg=name)


@pytest.mark.parametrize(
    ("kind", "plain", "options"),
    [
        ("crosscoder", "relu", {"l1_coefficient": 0.3}),
        ("topk_crosscoder", "topk", {"k": 4}),
        ("batchtopk_crosscoder", "batchtopk", {"k": 3.0}),
    ],
)
def test_with_one_layer_it_is_the_plain_kind_after_twelve_steps(kind: str, plain: str, options: dict[str, Any]) -> None:
    rows = torch.randn(12 * 50, 10, generator=torch.Generator().manual_seed(1)) + 1
    train = TrainConfig(n_tokens=600, batch_size=50, lr=5e-3, dead_after_tokens=60)
    states = []
    for name in (kind, plain):
        dictionary = KINDS[name](build(KINDS[name].Config, {"d_in": 10, "d_sae": 40, **options}), seed=4)
        start = {key: value.clone() for key, value in dictionary.state_dict().items()}
        fit(dictionary, TensorSource(rows, 50), train)
        states.append(dictionary.state_dict())
    assert states[0].keys() == states[1].keys()
    for key, value in states[1].items():
        assert (value - start[key]).norm() > 0
        torch.testing.assert_close(states[0][key], value, rtol=0, atol=1e-6, msg=key)


def planted() -> tuple[Tensor, Tensor]:
    """Return rows of two layers, and the directions they are made of: 8 shared, 8 of the first, 8 of the second."""
    draw = torch.Generator().manual_seed(0)
    directions = torch.nn.functional.normalize(torch.randn(24, 2, 12, generator=draw), dim=-1)
    directions[8:16, 1] = 0
    directions[16:, 0] = 0
    on = torch.rand(20_000, 24, generator=draw) < 2.5 / 24
    strengths = on * (torch.rand(20_000, 24, generator=draw) + 1.0)
    return strengths @ directions.flatten(1) * 5.0, directions.flatten(1)


def found_in(dictionary: ManyLayers, directions: Tensor) -> tuple[Tensor, Sharing]:
    """Return for each planted direction the cosine of its best feature, and where those features are said to live."""
    features = torch.nn.functional.normalize(dictionary.W_dec.detach(), dim=-1)
    best = (torch.nn.functional.normalize(directions, dim=-1) @ features.T).max(-1)
    return best.values, sharing(dictionary.relative_norms()[best.indices])


def test_planted_features_are_found_where_they_live_and_a_random_dictionary_finds_none() -> None:
    rows, directions = planted()
    config = BatchTopKCrosscoderConfig(n_layers=2, d_in=24, d_sae=48, k=2.5)
    trained, random = BatchTopKCrosscoder(config), BatchTopKCrosscoder(config, seed=9)
    fit(
        trained,
        TensorSource(rows, 200),
        TrainConfig(n_tokens=150_000, batch_size=200, lr=1e-2, dead_after_tokens=10_000),
    )
    cosines, where = found_in(trained, directions)
    assert (cosines > 0.95).float().mean() > 0.9
    assert where.shared.tolist()[:8].count(True) >= 7 and not where.shared[8:].any()
    assert where.exclusive[8:16, 0].sum() >= 7 and where.exclusive[16:, 1].sum() >= 7
    assert not where.exclusive[:8].any() and not where.exclusive[8:16, 1].any() and not where.exclusive[16:, 0].any()
    null_cosines, null = found_in(random, directions)
    assert (null_cosines < 0.9).all()
    assert not null.exclusive.any(), "a random direction lies in both layers: only exclusiveness is evidence"
