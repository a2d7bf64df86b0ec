"""Features that write to later layers only: the ragged parameters compute what the whole matrices with zeros would."""

import pytest
import torch
from torch import Tensor

from mechlab.core.config import build
from mechlab.core.errors import ConfigError
from mechlab.dictionaries.crosslayer import arrive
from mechlab.dictionaries.crosslayer_transcoder import CrosslayerTranscoder, CrosslayerTranscoderConfig
from mechlab.dictionaries.saelens_format import from_saelens, to_saelens

N, D_IN, D_OUT, FEATURES = 3, 4, 5, 6


@pytest.fixture
def dictionary() -> CrosslayerTranscoder:
    config = CrosslayerTranscoderConfig.of_layers(N, d_in=D_IN, d_sae=FEATURES, d_out=D_OUT)
    made = CrosslayerTranscoder(config)
    draw = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(torch.rand(parameter.shape, generator=draw))
    return made


@pytest.fixture
def x() -> Tensor:
    return torch.randn(7, N * D_IN, generator=torch.Generator().manual_seed(2))


def test_no_zero_is_stored_and_the_announced_number_of_parameters_is_that_of_the_triangle() -> None:
    config = CrosslayerTranscoderConfig.of_layers(N, d_in=D_IN, d_sae=FEATURES, d_out=D_OUT)
    fresh = CrosslayerTranscoder(config)
    assert config.d_sae == N * FEATURES and config.d_sae_per_layer == FEATURES
    assert [tuple(block.shape) for block in fresh.decoder] == [(6, 15), (6, 10), (6, 5)]
    without_thresholds = sum(p.numel() for name, p in fresh.named_parameters() if name != "threshold")
    assert config.n_parameters == without_thresholds
    torch.testing.assert_close(fresh.decoder_norms(), torch.full((18,), 0.1))


def test_the_whole_matrices_have_the_blocks_in_their_places_and_zeros_elsewhere(
    dictionary: CrosslayerTranscoder,
) -> None:
    W_dec, W_enc = dictionary.W_dec, dictionary.W_enc
    for reads in range(N):
        for layer in range(N):
            written = W_dec[reads * FEATURES : (reads + 1) * FEATURES, layer * D_OUT : (layer + 1) * D_OUT]
            read = W_enc[layer * D_IN : (layer + 1) * D_IN, reads * FEATURES : (reads + 1) * FEATURES]
            own = dictionary.decoder[reads].unflatten(1, (N - reads, D_OUT))
            assert torch.equal(written, own[:, layer - reads] if layer >= reads else torch.zeros(FEATURES, D_OUT))
            expected = dictionary.encoder[reads * FEATURES : (reads + 1) * FEATURES].T
            assert torch.equal(read, expected if layer == reads else torch.zeros(D_IN, FEATURES))


def test_encoding_and_decoding_are_those_of_the_whole_matrices(dictionary: CrosslayerTranscoder, x: Tensor) -> None:
    torch.testing.assert_close(dictionary.pre_activations(x), x @ dictionary.W_enc + dictionary.b_enc)
    codes = torch.rand(2, 7, N * FEATURES)
    torch.testing.assert_close(dictionary.decode(codes), codes @ dictionary.W_dec + dictionary.b_dec)
    assert torch.equal(dictionary.layer_codes(codes)[:, :, 1], codes[..., FEATURES : 2 * FEATURES])
    torch.testing.assert_close(dictionary.decoder_norms(), dictionary.W_dec.norm(dim=1))


def test_a_layer_is_never_rebuilt_from_a_later_one(dictionary: CrosslayerTranscoder, x: Tensor) -> None:
    slopes = torch.autograd.functional.jacobian(lambda row: dictionary(row), x[0]).unflatten(0, (N, D_OUT))
    reached = slopes.unflatten(2, (N, D_IN)).abs().sum((1, 3)) > 0
    assert reached.tolist() == [[True, False, False], [True, True, False], [True, True, True]]
    assert (dictionary.writes_to() > 0)[::FEATURES].tolist() == [[True] * 3, [False, True, True], [False, False, True]]
    torch.testing.assert_close(dictionary.writes_to()[1], dictionary.W_dec[1].view(N, D_OUT).norm(dim=1))


def test_the_sum_of_parts_has_the_gradient_of_padded_parts() -> None:
    bias, parts = torch.randn(6, requires_grad=True), [torch.randn(4, 2 * n, requires_grad=True) for n in (3, 2, 1)]
    weight = torch.randn(4, 6)
    padded = sum((torch.nn.functional.pad(part, (6 - part.shape[1], 0)) for part in parts), start=bias)
    expected = torch.autograd.grad((padded * weight).sum(), [bias, *parts])
    found = arrive(bias, parts)
    torch.testing.assert_close(found, padded)
    torch.testing.assert_close(torch.autograd.grad((found * weight).sum(), [bias, *parts]), expected)


def test_the_stored_tensors_are_named_and_shaped_by_layer_and_come_back_equal(dictionary: CrosslayerTranscoder) -> None:
    cfg, tensors = to_saelens(dictionary)
    assert {name: tuple(value.shape) for name, value in tensors.items() if name.endswith("_1")} == {
        "W_enc_1": (FEATURES, D_IN),
        "b_enc_1": (FEATURES,),
        "b_dec_1": (D_OUT,),
        "threshold_1": (FEATURES,),
        "W_dec_1": (FEATURES, N - 1, D_OUT),
    }
    read = from_saelens(cfg, tensors)
    for name, value in dictionary.state_dict().items():
        assert torch.equal(read.state_dict()[name], value), name


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"d_sae": 41}, "n_layers is not valid: 2. d_sae = 41 does not divide"),
        ({"d_out": 9}, "n_layers is not valid: 2. d_out = 9 does not divide"),
        (
            {"apply_b_dec_to_input": True},
            "apply_b_dec_to_input is not valid: True. a cross-layer transcoder has no skip",
        ),
        ({"skip": True, "d_out": 8}, "skip is not valid: True. a cross-layer transcoder has no skip"),
    ],
)
def test_what_a_cross_layer_transcoder_cannot_be_is_refused(change: dict[str, int], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build(CrosslayerTranscoderConfig, {"d_in": 12, "d_sae": 40, "n_layers": 2, **change})


def test_tiles_hold_the_pre_activations_layer_by_layer(dictionary: CrosslayerTranscoder, x: Tensor) -> None:
    with torch.no_grad():
        by_layer = dictionary.layer_codes(dictionary.pre_activations(x)).unbind(1)
        torch.testing.assert_close(dictionary.tiles(x).whole(), torch.cat(by_layer))
