"""Capture: what the library's own forward pass has at the place, one vector per token, special ones left out."""

import pytest
import torch
from oracles.stand_in import TokenEcho, numbered_rows
from oracles.tiny_models import N_HEADS, tiny, token_rows

from mechlab.activations.capture import RowSource, activations_at
from mechlab.core.errors import UnknownName, UsageError
from mechlab.corpora.rows import TokenRows
from mechlab.models.huggingface import HuggingFaceModel


@pytest.fixture(scope="module")
def gpt2() -> HuggingFaceModel:
    return HuggingFaceModel(tiny("gpt2"))


def test_the_residual_stream_is_the_librarys_hidden_states(gpt2: HuggingFaceModel):
    tokens = token_rows()
    hidden = gpt2.module(tokens, output_hidden_states=True).hidden_states
    for layer in (0, 1):
        torch.testing.assert_close(
            activations_at(gpt2, tokens, f"resid_post.{layer}"), hidden[layer + 1], atol=1e-6, rtol=0
        )
    torch.testing.assert_close(activations_at(gpt2, tokens, "blocks.0.hook_resid_pre"), hidden[0], atol=1e-6, rtol=0)


def test_a_pattern_gives_each_query_its_heads_and_keys(gpt2: HuggingFaceModel):
    tokens = token_rows()
    gpt2.module.set_attn_implementation("eager")
    attention = gpt2.module(tokens, output_attentions=True).attentions[1]
    gpt2.module.set_attn_implementation("sdpa")
    ours = activations_at(gpt2, tokens, "pattern.1")
    assert ours.shape == (2, 20, N_HEADS * 20)
    torch.testing.assert_close(ours[1, 7].reshape(N_HEADS, 20), attention[1, :, 7], atol=1e-6, rtol=0)


@pytest.mark.parametrize(("site", "d_in"), [("z.1", 32), ("head.1.2", 32), ("mlp_post.0", 48), ("embed", 32)])
def test_heads_lie_side_by_side(gpt2: HuggingFaceModel, site: str, d_in: int):
    assert activations_at(gpt2, token_rows(), site).shape == (2, 20, d_in)


def test_the_model_is_stopped_behind_the_site(gpt2: HuggingFaceModel):
    ran: list[int] = []
    handles = [
        block.register_forward_hook(lambda *_, i=i: ran.append(i)) for i, block in enumerate(gpt2.module.transformer.h)
    ]
    activations_at(gpt2, token_rows(), "resid_post.1")
    for handle in handles:
        handle.remove()
    assert ran in ([0], [0, 1])


def test_rows_are_read_by_number_and_special_tokens_are_left_out():
    source = RowSource(TokenEcho(), numbered_rows(5, 4, specials=[0, 2]), "resid_post.1", skip_special=True)
    assert (source.d_in, source.n_units, source.n_vectors) == (3, 5, 10)
    block = source.read(torch.tensor([3, 1]))
    assert block.kept is not None
    assert block.vectors[torch.from_numpy(block.kept), 0].tolist() == [13, 15, 5, 7]
    assert block.n_kept == 4


def test_special_tokens_stay_where_they_are_asked_for():
    source = RowSource(TokenEcho(), numbered_rows(2, 3, specials=[0]), "resid_post.1", skip_special=False)
    assert source.n_vectors == 6
    block = source.read(torch.tensor([1]))
    assert block.vectors[:, 0].tolist() == [3, 4, 5]
    assert block.kept is None


def test_rows_of_nothing_but_special_tokens_are_refused():
    with pytest.raises(UsageError, match="every token of the rows is special"):
        RowSource(TokenEcho(), numbered_rows(2, 3, specials=[0, 1, 2]), "resid_post.1", skip_special=True)


def test_an_unknown_site_is_refused_before_anything_runs():
    with pytest.raises(UnknownName, match="resid_post"):
        RowSource(TokenEcho(), numbered_rows(2, 3), "resid_pots.1", skip_special=True)


def test_the_fingerprint_follows_model_rows_site_and_masking():
    def fingerprint(rows: TokenRows, site: str, skip_special: bool) -> str:
        return RowSource(TokenEcho(), rows, site, skip_special=skip_special).fingerprint

    rows = numbered_rows(2, 3)
    same = fingerprint(rows, "blocks.1.hook_resid_post", True)
    assert same == fingerprint(rows, "resid_post.1", True)
    others = [fingerprint(numbered_rows(3, 2), "resid_post.1", True), fingerprint(rows, "resid_post.0", True)]
    assert len({same, *others, fingerprint(rows, "resid_post.1", False)}) == 4
