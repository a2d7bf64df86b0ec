"""The oracle is sound: two libraries that know nothing of ours compute the same logits from the same tiny weights."""

import pytest
import torch
from oracles.tiny_models import FAMILIES, bridge, hooked_transformer, tiny, token_rows


@pytest.mark.parametrize("family", FAMILIES)
def test_the_reference_transformer_computes_the_logits_of_the_hugging_face_model(family: str) -> None:
    model = tiny(family)
    torch.testing.assert_close(hooked_transformer(model)(token_rows()), model(token_rows()).logits, atol=1e-5, rtol=0)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_reference_bridge_computes_the_logits_of_the_hugging_face_model(family: str) -> None:
    model = tiny(family)
    torch.testing.assert_close(bridge(model)(token_rows()), model(token_rows()).logits, atol=1e-5, rtol=0)


def test_the_same_seed_makes_the_same_model() -> None:
    first, second = tiny("gpt2", seed=1).state_dict(), tiny("gpt2", seed=1).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
