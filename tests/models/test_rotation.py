"""The matrix between a query and a key some tokens back is what the model itself does to them."""

import pytest
import torch
from oracles.tiny_models import tiny, token_rows

from mechlab.core.errors import UsageError
from mechlab.models.huggingface import HuggingFaceModel
from mechlab.models.rotation import rotation, turn


def _normed(heads: torch.Tensor, gain: torch.Tensor | None) -> torch.Tensor:
    return heads if gain is None else heads * heads.square().mean(-1, keepdim=True).rsqrt() * gain


@pytest.mark.parametrize("family", ["llama", "mistral", "neox_parallel", "qwen2", "qwen3", "gemma2"])
@pytest.mark.parametrize("offset", [0, 1, 7])
def test_scores_are_those_of_the_queries_and_keys_that_the_model_turned(family: str, offset: int) -> None:
    model = HuggingFaceModel(tiny(family))
    names = ("q.1", "k.1", "rot_q.1", "rot_k.1")
    found = model.activations(token_rows(), names)
    q, k, rot_q, rot_k = (found[name].double() for name in names)
    layer = model.weights().layers[1]
    q, k = _normed(q, layer.q_norm_w), _normed(k, layer.k_norm_w)
    if k.shape[2] != q.shape[2]:
        k, rot_k = (part.repeat_interleave(q.shape[2] // part.shape[2], 2) for part in (k, rot_k))
    matrix = rotation(model, offset)
    assert matrix is not None
    n = q.shape[1]
    ours = torch.einsum("bphd,de,bphe->bph", q[:, offset:], matrix, k[:, : n - offset])
    theirs = torch.einsum("bphd,bphd->bph", rot_q[:, offset:], rot_k[:, : n - offset])
    assert torch.allclose(ours, theirs, atol=1e-4)


def test_a_model_with_learned_positions_turns_nothing() -> None:
    assert rotation(HuggingFaceModel(tiny("gpt2")), 3) is None


@pytest.mark.parametrize("offset", [-1, 48])
def test_an_offset_outside_the_context_is_refused(offset: int) -> None:
    with pytest.raises(UsageError, match="no key stands that many tokens before"):
        rotation(HuggingFaceModel(tiny("llama")), offset)


def test_turned_at_their_own_places_queries_and_keys_give_the_model_s_scores() -> None:
    model = HuggingFaceModel(tiny("neox_parallel").double())
    found = model.activations(token_rows(1, 9), ["q.1", "k.1", "rot_q.1", "rot_k.1"])
    for kind, place in (("q", 7), ("k", 3)):
        matrix = turn(model, place)
        assert matrix is not None and not torch.allclose(matrix, torch.eye(len(matrix), dtype=torch.float64))
        assert torch.allclose(found[f"{kind}.1"][0, place] @ matrix, found[f"rot_{kind}.1"][0, place], atol=1e-10)
