"""A Dunefsky checkpoint computes what its authors' forward does."""

import pytest
import torch
from oracles import dunefsky_checkpoint

from mechlab.core.errors import ArtifactError
from mechlab.dictionaries.dunefsky_format import from_dunefsky, saelens_names


def test_a_transcoder_gives_the_same_codes_and_the_same_output() -> None:
    parameters = dunefsky_checkpoint.state()
    x = torch.randn(50, 6, generator=torch.Generator().manual_seed(1))
    dictionary = from_dunefsky({"is_transcoder": True}, parameters)
    codes, output = dunefsky_checkpoint.forward(parameters, x)
    with torch.no_grad():
        torch.testing.assert_close(dictionary.encode(x), codes, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(dictionary(x), output, rtol=1e-5, atol=1e-5)
    assert (codes > 0).any() and (codes == 0).any()
    assert (dictionary.config.d_in, dictionary.config.d_sae, dictionary.config.d_out) == (6, 20, 5)


def test_an_autoencoder_of_theirs_is_centred() -> None:
    parameters = dunefsky_checkpoint.state(d_out=6)
    x = torch.randn(50, 6, generator=torch.Generator().manual_seed(1))
    dictionary = from_dunefsky({"is_transcoder": False}, parameters)
    codes, output = dunefsky_checkpoint.forward({**parameters, "b_dec_out": parameters["b_dec"]}, x)
    with torch.no_grad():
        torch.testing.assert_close(dictionary.encode(x), codes, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(dictionary(x), output, rtol=1e-5, atol=1e-5)
    assert dictionary.config.d_out is None


@pytest.mark.parametrize("missing", ["W_enc", "b_dec_out"])
def test_a_missing_tensor_is_named(missing: str) -> None:
    parameters = dunefsky_checkpoint.state()
    del parameters[missing]
    with pytest.raises(ArtifactError, match=f"lacks: '{missing}'"):
        from_dunefsky({"is_transcoder": True}, parameters)


def test_a_tensor_of_another_shape_is_named() -> None:
    parameters = dunefsky_checkpoint.state() | {"b_enc": torch.zeros(19)}
    with pytest.raises(ArtifactError, match="b_enc has another shape than the rest"):
        from_dunefsky({"is_transcoder": True}, parameters)


def test_hooks_are_named_as_saelens_names_them() -> None:
    cfg = {"hook_point": "blocks.8.ln2.hook_normalized", "out_hook_point": "blocks.8.hook_mlp_out", "lr": 1, "seed": 3}
    assert saelens_names(cfg | {"context_size": 128}) == {
        "hook_name": "blocks.8.ln2.hook_normalized", "hook_name_out": "blocks.8.hook_mlp_out", "context_size": 128,
    }  # fmt: skip
