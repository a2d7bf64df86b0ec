"""The base of all kinds: sizes, the start, and taking over stored parameters."""

import pytest
import torch

from mechlab.dictionaries.dictionary import mean_squared_error
from mechlab.dictionaries.relu import ReluConfig, ReluDictionary


def test_an_autoencoder_starts_tied_and_centred_and_a_transcoder_neither() -> None:
    auto, trans = (ReluDictionary(ReluConfig(d_in=6, d_sae=20, d_out=d_out)) for d_out in (None, 6))
    assert torch.equal(auto.encoder, auto.W_dec)
    assert auto.centre is auto.b_dec
    assert not torch.equal(trans.encoder, trans.W_dec)
    assert trans.centre is None


def test_without_an_initial_norm_rows_are_a_kaiming_draw() -> None:
    rows = ReluDictionary(ReluConfig(d_in=60, d_sae=5000, decoder_init_norm=None)).W_dec.detach()
    bound = (6 / 60) ** 0.5
    assert rows.abs().max() <= bound
    assert rows.std().item() == pytest.approx(bound / 3**0.5, rel=0.02)


def test_the_number_of_parameters_is_what_the_config_says() -> None:
    for d_out in (None, 9):
        config = ReluConfig(d_in=6, d_sae=20, d_out=d_out)
        assert config.n_parameters == sum(p.numel() for p in ReluDictionary(config).parameters())


def test_loading_copies() -> None:
    dictionary = ReluDictionary(ReluConfig(d_in=6, d_sae=20))
    tensors = dictionary.saelens_tensors()
    dictionary.load_saelens(tensors)
    tensors["b_enc"].fill_(9.0)
    assert (dictionary.b_enc == 0).all()
    assert dictionary.encoder.is_contiguous()


def test_squared_error_is_summed_over_the_width_and_averaged_over_rows() -> None:
    assert mean_squared_error(torch.zeros(2, 3), torch.tensor([[1.0, 1.0, 1.0], [2.0, 2.0, 2.0]])) == 7.5


@pytest.mark.parametrize("centred", [True, False])
def test_tiles_hold_the_pre_activations(centred: bool) -> None:
    dictionary = ReluDictionary(ReluConfig(d_in=6, d_sae=20, apply_b_dec_to_input=centred))
    x = torch.randn(9, 6, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        dictionary.b_dec.add_(0.5)
        dictionary.b_enc.add_(0.1)
        torch.testing.assert_close(dictionary.tiles(x).whole(), dictionary.pre_activations(x))
