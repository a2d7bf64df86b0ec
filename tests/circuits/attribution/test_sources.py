"""Sources add up to what every MLP wrote; a leading BOS is one constant; codes that are not linear are refused."""

from dataclasses import replace

import pytest
import torch
from circuits.attribution.random_transcoders import CROSS_LAYER, PER_LAYER, random_set, shaken
from oracles.tiny_models import tiny, token_rows

from mechlab.circuits.attribution.frozen_pass import FrozenPass, frozen_pass
from mechlab.circuits.attribution.sources import sources_of
from mechlab.core.errors import UsageError
from mechlab.dictionaries.gated import GatedDictionary
from mechlab.interventions.transcoder_set import TranscoderSet
from mechlab.models.huggingface import HuggingFaceModel


def held(kind: str, family: str = "gpt2") -> FrozenPass:
    model = HuggingFaceModel(tiny(family).double())
    return frozen_pass(model, random_set(kind, model.spec), token_rows(1, 8))


@pytest.mark.parametrize("bos", [False, True])
@pytest.mark.parametrize("kind", [*PER_LAYER, *CROSS_LAYER])
def test_sources_of_a_layer_sum_to_what_its_mlp_wrote(kind, bos):
    frozen = replace(held(kind), has_bos=bos)
    sources = sources_of(frozen)
    for layer, one in enumerate(frozen.layers):
        total = sources.errors[layer] + sources.constants[layer]
        total = total.index_add(0, sources.written[layer].positions, sources.written[layer].vectors)
        if (skip := frozen.transcoders.skip(layer)) is not None:
            skipped = one.read @ skip.T
            skipped[0] *= not bos
            total = total + skipped
        if bos:
            assert not total[0].any()
            total[0] = sources.bos[layer]
        assert torch.allclose(total, one.written, atol=1e-12)


def test_features_are_those_that_are_on_and_stand_by_layer_and_position():
    frozen = held("topk")
    sources = sources_of(frozen)
    for layer, one in enumerate(frozen.layers):
        codes = torch.zeros_like(frozen.transcoders.codes(layer, one.read))
        own = sources.layer == layer
        codes[sources.position[own], sources.feature[own]] = sources.code[own]
        assert torch.equal(codes, frozen.transcoders.codes(layer, one.read))
    keys = list(zip(sources.layer.tolist(), sources.position.tolist(), sources.feature.tolist(), strict=True))
    assert keys == sorted(keys) and len(keys) == len(set(keys)) > 50


def test_columns_stand_one_kind_behind_the_other():
    with_positions, without = sources_of(held("relu")), sources_of(held("relu", "llama"))
    n, n_layers = len(with_positions.code), 3
    assert with_positions.starts == {
        "features": 0,
        "errors": n,
        "tokens": n + 8 * n_layers,
        "positions": n + 8 * n_layers + 8,
        "bos": n + 8 * n_layers + 16,
        "end": n + 8 * n_layers + 16,
    }
    assert without.starts["positions"] == without.starts["bos"] == without.n_columns
    bos = sources_of(replace(held("relu"), has_bos=True))
    assert bos.n_columns == bos.starts["bos"] + n_layers and not (bos.position == 0).any()


def test_a_gated_transcoder_is_refused():
    model = HuggingFaceModel(tiny("gpt2").double())
    config = GatedDictionary.Config(d_in=model.spec.d_model, d_out=model.spec.d_model, d_sae=24)
    gated = [shaken(GatedDictionary(config), torch.float64, seed) for seed in range(3)]
    transcoders = TranscoderSet.of({f"mlp.{layer}": one for layer, one in enumerate(gated)}, model.spec)
    with pytest.raises(UsageError, match=r"code is not what the encoder gives: 'layer 0, feature \d+'"):
        sources_of(frozen_pass(model, transcoders, token_rows(1, 8)))
