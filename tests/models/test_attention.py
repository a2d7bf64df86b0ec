"""The open attention function computes what the fast one does, and is there only while someone looks inside."""

import pytest
import torch
from oracles.tiny_models import tiny, token_rows
from transformers import AttentionInterface

from mechlab.models import attention
from mechlab.models.huggingface import HuggingFaceModel

TOKENS = token_rows()


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a record of which attention function each layer of each pass calls."""
    record: list[str] = []

    def counted(name: str, function):
        def call(module, *args, **kwargs):
            record.append(f"{name} {module.layer_idx}")
            return function(module, *args, **kwargs)

        return call

    fast = counted("fast", attention.sdpa_attention_forward)
    monkeypatch.setitem(AttentionInterface._global_mapping, "sdpa", fast)
    monkeypatch.setattr(attention, "sdpa_attention_forward", fast)
    monkeypatch.setattr(attention, "raw_scores", counted_scores(record, attention.raw_scores))
    return record


def counted_scores(record: list[str], function):
    def call(query, key):
        record.append("open")
        return function(query, key)

    return call


def test_the_fast_function_stays_on_whatever_else_is_read_or_edited(llama: HuggingFaceModel, calls: list[str]) -> None:
    outside = ["resid_pre.1", "resid_mid.1", "attn_out.1", "z.1", "q.0", "v.2", "result.1", "head.0.1", "mlp_post.0"]
    with llama.read(*outside), llama.edit(dict.fromkeys(outside, torch.neg)):
        llama.logits(TOKENS)
    llama.activations(TOKENS, ["resid_post.2"])
    assert calls == ["fast 0", "fast 1", "fast 2"] * 2


@pytest.mark.parametrize("site", ["pattern.1", "scores.1", "rot_q.1", "rot_k.1"])
def test_only_the_layer_that_is_looked_into_is_computed_in_the_open(
    llama: HuggingFaceModel, calls: list[str], site
) -> None:
    with llama.read(site):
        llama.logits(TOKENS)
    assert calls == ["fast 0", "open", "fast 2"]
    calls.clear()
    llama.logits(TOKENS)
    assert calls == ["fast 0", "fast 1", "fast 2"]


def test_the_models_own_function_comes_back_after_an_exception(llama: HuggingFaceModel) -> None:
    with pytest.raises(ZeroDivisionError), llama.edit({"pattern.0": lambda value: value / (1 // 0)}):
        llama.logits(TOKENS)
    assert llama.module.config._attn_implementation == "sdpa"


def test_a_model_that_was_eager_is_eager_again() -> None:
    module = tiny("gpt2")
    module.set_attn_implementation("eager")
    model = HuggingFaceModel(module)
    with model.read("pattern.0", "pattern.1"), model.read("scores.0"):
        assert module.config._attn_implementation == "mechlab"
    assert module.config._attn_implementation == "eager"


def test_looking_changes_no_logit(any_model: HuggingFaceModel) -> None:
    plain = any_model.logits(TOKENS)
    with any_model.read("pattern.0", "scores.1"):
        torch.testing.assert_close(any_model.logits(TOKENS), plain, atol=5e-5, rtol=1e-5)


def test_a_pattern_is_causal_and_sums_to_one(any_model: HuggingFaceModel) -> None:
    pattern = any_model.activations(TOKENS, ["pattern.1"])["pattern.1"]
    torch.testing.assert_close(pattern.sum(-1), torch.ones(pattern.shape[:-1]))
    assert pattern.triu(1).abs().max() == 0


def test_a_row_whose_scores_are_all_masked_attends_nowhere(llama: HuggingFaceModel) -> None:
    with (
        llama.edit({"scores.1": lambda value: torch.full_like(value, -torch.inf)}),
        llama.read("pattern.1", "z.1") as seen,
    ):
        assert llama.logits(TOKENS).isfinite().all()
    assert seen["pattern.1"].abs().max() == seen["z.1"].abs().max() == 0


def test_a_window_hides_what_is_further_back() -> None:
    model = HuggingFaceModel(tiny("mistral"))
    scores = model.activations(TOKENS, ["scores.0"])["scores.0"]
    distance = torch.arange(20)[:, None] - torch.arange(20)[None, :]
    visible = (distance >= 0) & (distance < model.module.config.sliding_window)
    assert torch.equal(scores.isfinite(), visible.expand_as(scores))
