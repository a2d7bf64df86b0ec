"""Cross-layer transcoders compute what their definition says, and are plain transcoders where layers do not cross."""

from typing import Any

import pytest
import torch
from torch import Tensor

from mechlab.core.config import build
from mechlab.core.errors import ConfigError
from mechlab.dictionaries import KINDS
from mechlab.dictionaries.crosslayer_transcoder import (
    BatchTopKCrosslayerConfig,
    CrosslayerTranscoder,
    CrosslayerTranscoderConfig,
    TopKCrosslayerConfig,
    TopKCrosslayerTranscoder,
)
from mechlab.dictionaries.dictionary import Dictionary, StepContext
from mechlab.dictionaries.layers import explained_variance_by_layer
from mechlab.training.config import TrainConfig
from mechlab.training.loop import fit
from mechlab.training.source import TensorSource

N, D_IN, D_OUT, FEATURES, BATCH = 3, 4, 5, 12, 40
JUMP = {"jumprelu_init_threshold": 0.3, "jumprelu_bandwidth": 0.4, "l0_coefficient": 0.05}
TANH = {**JUMP, "jumprelu_sparsity_loss_mode": "tanh"}
RAW = {"normalization": "none", "b_dec_init": "zeros", "grad_clip": None, "lr": 3e-3}


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def uneven(**options: Any) -> CrosslayerTranscoder:
    config = CrosslayerTranscoderConfig.of_layers(N, d_in=D_IN, d_sae=FEATURES, d_out=D_OUT, **options)
    dictionary = CrosslayerTranscoder(config).double()
    with torch.no_grad():
        for seed, parameter in enumerate(dictionary.parameters()):
            parameter.add_(0.3 * random(*parameter.shape, seed=seed).abs())
    return dictionary


def by_definition(dictionary: CrosslayerTranscoder, x: Tensor, y: Tensor, dead: Tensor) -> dict[str, Tensor]:
    """Return the loss's parts, one layer and one target layer at a time; the jump learns by its estimate."""
    config = dictionary.config
    rebuilt = list(dictionary.b_dec.expand(len(x), -1).split(D_OUT, 1))
    penalty = pull = torch.zeros(())
    for layer, part in enumerate(x.split(D_IN, 1)):
        own = slice(layer * FEATURES, (layer + 1) * FEATURES)
        threshold, directions = dictionary.threshold[own], dictionary.decoder[layer].unflatten(1, (-1, D_OUT))
        pre = part @ dictionary.encoder[own].T + dictionary.b_enc[own]
        window = ((pre - threshold).abs() < config.jumprelu_bandwidth / 2) / config.jumprelu_bandwidth
        codes = pre * (pre > threshold) - (window * threshold).detach() * (threshold - threshold.detach())
        norms = directions.square().sum((1, 2)).sqrt()
        penalty = penalty + (config.jumprelu_tanh_scale * norms * codes).tanh().sum(1).mean()
        pull = pull + ((threshold - pre).relu() * norms * dead[own]).sum(1).mean()
        for target in range(layer, N):
            rebuilt[target] = rebuilt[target] + codes @ directions[:, target - layer]
    errors = [(found - wanted).square().sum(1).mean() for found, wanted in zip(rebuilt, y.split(D_OUT, 1), strict=True)]
    return {
        "mse": sum(errors),
        "l0": config.l0_coefficient * penalty,
        "pre_act": config.pre_act_loss_coefficient * pull,
    }


@pytest.mark.parametrize("few_fire", [False, True])
def test_loss_and_gradient_are_those_of_the_definition(few_fire: bool) -> None:
    dictionary = uneven(**TANH, pre_act_loss_coefficient=0.1)
    x, y, dead = random(BATCH, N * D_IN), random(BATCH, N * D_OUT, seed=1), torch.arange(N * FEATURES) % 4 == 0
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
        assert parameter.grad.abs().sum() > 0
        torch.testing.assert_close(ours[name], parameter.grad, msg=name)
    torch.testing.assert_close(losses.reconstruction, dictionary(x))


@pytest.mark.parametrize(
    ("kind", "plain", "options"),
    [
        ("crosslayer_transcoder", "jumprelu", TANH),
        ("crosslayer_transcoder", "jumprelu", {**JUMP, "jumprelu_sparsity_loss_mode": "step"}),
        ("topk_crosslayer_transcoder", "topk", {"k": 4}),
        ("batchtopk_crosslayer_transcoder", "batchtopk", {"k": 3.0}),
    ],
)
def test_with_one_layer_it_is_a_transcoder_after_twelve_steps(kind: str, plain: str, options: dict[str, Any]) -> None:
    rows, targets = random(12 * 50, 10).float() + 1, random(12 * 50, 8, seed=1).float()
    train = TrainConfig(n_tokens=600, batch_size=50, lr=5e-3, dead_after_tokens=60)
    states = []
    for name in (kind, plain):
        dictionary = KINDS[name](build(KINDS[name].Config, {"d_in": 10, "d_out": 8, "d_sae": 40, **options}), seed=4)
        start = {key: value.clone() for key, value in dictionary.state_dict().items()}
        fit(dictionary, TensorSource(rows, 50, targets=targets), train)
        states.append(dictionary.state_dict())
    ours = {"W_dec" if key == "W_dec_0" else key: value for key, value in states[0].items()}
    assert ours.keys() == states[1].keys()
    for key, value in states[1].items():
        assert (value - start[key]).norm() > 0
        torch.testing.assert_close(ours[key], value, rtol=0, atol=1e-6, msg=key)


@pytest.mark.parametrize(
    ("kind", "plain", "options"),
    [("crosslayer_transcoder", "jumprelu", TANH), ("topk_crosslayer_transcoder", "topk", {"k": 3})],
)
def test_without_crossing_directions_it_is_one_transcoder_per_layer(
    kind: str, plain: str, options: dict[str, Any]
) -> None:
    """BatchTopK is left out: it shares its codes out among layers, so its layers never part."""
    rows, targets = random(600, N * D_IN).float(), random(600, N * D_OUT, seed=1).float()
    train = TrainConfig(n_tokens=600, batch_size=50, dead_after_tokens=600, **RAW)
    made = KINDS[kind]
    whole = made(made.Config.of_layers(N, d_in=D_IN, d_out=D_OUT, d_sae=FEATURES, **options), seed=4)
    for block in whole.decoder:
        block.data[:, D_OUT:] = 0
        block.register_hook(lambda grad: torch.nn.functional.pad(grad[:, :D_OUT], (0, grad.shape[1] - D_OUT)))
    alone = [layer_of(whole, plain, options, layer) for layer in range(N)]
    fit(whole, TensorSource(rows, 50, targets=targets), train)
    for layer, dictionary in enumerate(alone):
        x, y = rows.split(D_IN, 1)[layer], targets.split(D_OUT, 1)[layer]
        fit(dictionary, TensorSource(x, 50, targets=y), train)
        trained = layer_of(whole, plain, options, layer).state_dict()
        for name, value in dictionary.state_dict().items():
            torch.testing.assert_close(trained[name], value, rtol=0, atol=1e-6, msg=name)


def layer_of(whole: Dictionary, plain: str, options: dict[str, Any], layer: int) -> Dictionary:
    """Return a plain transcoder with the parameters of one layer."""
    sizes = {"d_in": D_IN, "d_out": D_OUT, "d_sae": FEATURES}
    dictionary = KINDS[plain](build(KINDS[plain].Config, {**sizes, **options}))
    own = slice(layer * FEATURES, (layer + 1) * FEATURES)
    state = {name: value[own].clone() for name, value in whole.state_dict().items() if len(value) == N * FEATURES}
    state |= {"W_dec": whole.decoder[layer].detach()[:, :D_OUT].clone()}
    dictionary.load_state_dict({**state, "b_dec": whole.b_dec.detach().split(D_OUT)[layer].clone()})
    return dictionary


def test_a_planted_feature_that_writes_to_two_layers_is_found_once_and_rebuilds_both() -> None:
    draw = torch.Generator().manual_seed(0)
    early, late = (torch.nn.functional.normalize(torch.randn(12, 16, generator=draw), dim=1) for _ in range(2))
    written = torch.randn(12, 32, generator=draw)
    on = torch.rand(12_000, 12, generator=draw) < 1.5 / 12
    strengths = on * (torch.rand(12_000, 12, generator=draw) + 1)
    noise = torch.rand(12_000, 12, generator=draw) * (torch.rand(12_000, 12, generator=draw) < 0.1)
    rows, targets = torch.cat([strengths @ early, noise @ late], 1), strengths @ written
    config = TopKCrosslayerConfig.of_layers(2, d_in=16, d_sae=24, k=3)
    trained, random_one = (TopKCrosslayerTranscoder(config, seed) for seed in (0, 1))
    fit(trained, TensorSource(rows, 200, targets=targets), TrainConfig(n_tokens=100_000, batch_size=200, lr=1e-2))
    cosines = [
        torch.nn.functional.cosine_similarity(written[:, None], made.decoder[0].detach(), dim=-1).amax(1)
        for made in (trained, random_one)
    ]
    assert (cosines[0] > 0.95).float().mean() > 0.9 and (cosines[1] < 0.8).all()
    with torch.no_grad():
        whole = explained_variance_by_layer(trained(rows), targets, 2)
        trained.decoder[0][:, 16:] = 0
        parted = explained_variance_by_layer(trained(rows), targets, 2)
    assert (whole > 0.9).all()
    assert parted[0] > 0.9 and parted[1] < 0.2, "the later layer is rebuilt from the earlier one's features"


@pytest.mark.parametrize("kind", [TopKCrosslayerConfig, BatchTopKCrosslayerConfig])
def test_k_counts_one_layers_codes(kind: type[TopKCrosslayerConfig]) -> None:
    assert build(kind, {"d_in": 12, "d_sae": 40, "n_layers": 2, "k": 20}).k == 20
    with pytest.raises(ConfigError, match=r"k is not valid: 21. k is at most the features of one layer.*= 20"):
        build(kind, {"d_in": 12, "d_sae": 40, "n_layers": 2, "k": 21})


def test_the_published_penalty_is_the_usual_one() -> None:
    assert CrosslayerTranscoderConfig(d_in=4, d_sae=8).jumprelu_sparsity_loss_mode == "tanh"
