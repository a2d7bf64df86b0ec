"""Layers side by side: widths that divide, views that split, explained variance of each layer by itself."""

import pytest
import torch

from mechlab.core.config import build
from mechlab.core.errors import ConfigError
from mechlab.dictionaries.layers import LayersConfig, explained_variance_by_layer, split_layers


def test_widths_of_one_layer_make_those_of_the_whole() -> None:
    config = LayersConfig.of_layers(3, d_in=4, d_sae=50, d_out=5)
    assert (config.n_layers, config.d_in, config.d_out, config.d_sae) == (3, 12, 15, 50)
    assert (config.d_layer_in, config.d_layer_out) == (4, 5)
    assert LayersConfig.of_layers(3, d_in=4, d_sae=50).d_layer_out == 4


@pytest.mark.parametrize(
    ("widths", "message"),
    [
        ({"n_layers": 5}, "n_layers is not valid: 5. d_in = 12 does not divide"),
        ({"n_layers": 2, "d_out": 9}, "n_layers is not valid: 2. d_out = 9 does not divide"),
        ({"n_layers": 0}, "n_layers is not valid: 0"),
    ],
)
def test_layers_that_do_not_fit_are_refused(widths: dict[str, int], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build(LayersConfig, {"d_in": 12, "d_sae": 40, **widths})


def test_the_splits_first_layer_is_the_vectors_first_part() -> None:
    split = split_layers(torch.arange(12.0).reshape(2, 6), 3)
    assert split[1].tolist() == [[6, 7], [8, 9], [10, 11]]


def test_each_layer_has_the_explained_variance_it_has_alone() -> None:
    draw = torch.Generator().manual_seed(0)
    layers = [torch.randn(200, 4, generator=draw) * scale + 5 for scale in (1.0, 100.0, 0.0)]
    rebuilt = [layers[0] * 0.5 + 2.5, layers[1], layers[2] + 1]
    found = explained_variance_by_layer(torch.cat(rebuilt, 1), torch.cat(layers, 1), 3)
    alone = 1 - (rebuilt[0] - layers[0]).square().sum() / (layers[0] - layers[0].mean(0)).square().sum()
    assert found.tolist() == pytest.approx([alone.item(), 1.0, 0.0], abs=1e-6)
