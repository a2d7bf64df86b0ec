"""A set has a transcoder for every layer, reads and writes as each of them does, and refuses what does not fit."""

import pytest
import torch
from circuits.attribution.random_transcoders import CROSS_LAYER, PER_LAYER, random_set, shaken
from oracles.tiny_models import D_MODEL, N_LAYERS, tiny

from mechlab.core.errors import UsageError
from mechlab.dictionaries.crosscoder import CrosscoderDictionary
from mechlab.dictionaries.relu import ReluDictionary
from mechlab.interventions.transcoder_set import TranscoderSet
from mechlab.models.huggingface import HuggingFaceModel

SPEC = HuggingFaceModel(tiny("gpt2")).spec


def transcoder(width: int = D_MODEL, d_out: int | None = D_MODEL) -> ReluDictionary:
    return shaken(ReluDictionary(ReluDictionary.Config(d_in=width, d_out=d_out, d_sae=10)), torch.float32, 0)


@pytest.mark.parametrize("kind", [*PER_LAYER, *CROSS_LAYER])
def test_codes_times_writers_rebuild_what_the_dictionary_rebuilds(kind):
    found = random_set(kind, SPEC)
    x = torch.randn(6, N_LAYERS, D_MODEL, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    codes = [found.codes(layer, x[:, layer]) for layer in range(N_LAYERS)]
    every = torch.arange(codes[0].shape[1])
    parts = [found.written_by(layer, one.unflatten(0, (2, 3))).flatten(0, 1) for layer, one in enumerate(codes)]
    for target in range(N_LAYERS):
        assert found.n_features(target) == len(every)
        total = found.bias(target).expand(6, -1)
        for source in range(N_LAYERS):
            rows = found.writers(source, every, target)
            assert (rows is None) == (source > target if kind in CROSS_LAYER else source != target)
            total = total if rows is None else total + codes[source] @ rows
            if rows is not None:
                assert torch.allclose(parts[source][:, target - source], codes[source] @ rows, atol=1e-10)
        if (skip := found.skip(target)) is not None:
            total = total + x[:, target] @ skip.T
        if kind in CROSS_LAYER:
            whole = found.layers[0](x.flatten(1))
            assert torch.allclose(total, whole[:, target * D_MODEL : (target + 1) * D_MODEL], atol=1e-10)
        else:
            assert torch.allclose(total, found.layers[target](x[:, target]), atol=1e-10)
        rows, bias = found.readers(target, every)
        on = codes[target] != 0
        assert on.any() and torch.allclose((x[:, target] @ rows.T + bias)[on], codes[target][on], atol=1e-10)


@pytest.mark.parametrize("kind", [*PER_LAYER, *CROSS_LAYER])
def test_codes_of_some_features_are_those_of_all_picked(kind):
    found, x = random_set(kind, SPEC), torch.randn(2, 3, D_MODEL, dtype=torch.float64)
    numbers = torch.tensor([9, 2])
    for layer in range(N_LAYERS):
        torch.testing.assert_close(found.encoder_of(layer, numbers)(x), found.codes(layer, x)[..., numbers])


def test_layers_are_sorted_whatever_the_order_they_are_given_in():
    own = [transcoder() for _ in range(N_LAYERS)]
    found = TranscoderSet.of({f"mlp.{layer}": own[layer] for layer in (2, 0, 1)}, SPEC)
    assert list(found.layers) == own and (found.n_layers, found.site(1)) == (N_LAYERS, "ln2_normalized.1")


def test_a_set_may_read_the_stream_itself():
    routes = {f"resid_mid.{layer} -> mlp_out.{layer}": transcoder() for layer in range(N_LAYERS)}
    assert TranscoderSet.of(routes, SPEC).read_kind == "resid_mid"


@pytest.mark.parametrize("kind", ["relu with a skip", "crosslayer_transcoder"])
def test_a_set_in_another_number_type_is_a_copy_that_shares_what_was_shared(kind):
    found = random_set(kind, SPEC)
    assert found.in_dtype(torch.float64) is found
    narrow = found.in_dtype(torch.float32)
    assert narrow.bias(1).dtype == torch.float32 and found.bias(1).dtype == torch.float64
    assert (narrow.layers[0] is narrow.layers[1]) == (kind in CROSS_LAYER)
    assert torch.equal(narrow.bias(1), found.bias(1).float()) and narrow.read_kind == found.read_kind


ALL = {f"mlp.{layer}": transcoder() for layer in range(N_LAYERS)}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"mlp.0": transcoder(), "mlp.2": transcoder()}, "layers have no transcoder: '1'"),
        ({**ALL, "ln2_normalized.1 -> mlp_out.1": transcoder()}, "layer has two transcoders: 1"),
        ({**ALL, "mlp.1": transcoder(16)}, "not as wide as the model: 16"),
        ({**ALL, "mlp.1": transcoder(D_MODEL, 16)}, "not as wide as the model: 16"),
        ({"resid_post.0": transcoder(d_out=None)}, "does not stand in for an MLP: 'resid_post.0'"),
        ({"ln2_normalized.0 -> mlp_out.1": transcoder()}, "does not stand in for an MLP"),
        ({"resid_mid.1 -> resid_post.1": transcoder()}, "does not stand in for an MLP"),
        (
            {"mlp.0": transcoder(), "mlp.1": transcoder(), "resid_mid.2 -> mlp_out.2": transcoder()},
            "read different places: 'ln2_normalized, resid_mid'",
        ),
        (
            {"mlp": CrosscoderDictionary(CrosscoderDictionary.Config.of_layers(3, D_MODEL, 8, D_MODEL))},
            "not a cross-layer transcoder of all layers",
        ),
    ],
)
def test_what_does_not_fit_is_refused(given, said):
    with pytest.raises(UsageError, match=said):
        TranscoderSet.of(given, SPEC)
