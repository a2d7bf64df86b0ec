"""What a TransformerBridge would get silently wrong is put right or refused."""

import pytest
import torch
import transformers
from oracles.backends import bent, pair
from oracles.tiny_models import bridge, tiny, token_rows
from torch import Tensor

from mechlab.core.errors import UnknownName, UsageError
from mechlab.models.processing import STEPS
from mechlab.models.transformerlens import wrap


def test_a_site_the_bridge_has_no_hook_for_is_refused_with_those_it_has() -> None:
    _, lens = pair("neox_parallel", "bridge")
    with pytest.raises(UnknownName, match=r"not visit the site: 'rot_q.1'. TransformerBridge visits: embed"):
        lens.activations(token_rows(), ["rot_q.1"])


@pytest.fixture
def gpt_neo() -> transformers.GPTNeoForCausalLM:
    """An architecture whose attention the bridge leaves to Hugging Face."""
    config = transformers.GPTNeoConfig(
        vocab_size=61, hidden_size=32, num_layers=2, num_heads=4, attention_types=[[["global", "local"], 1]]
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return transformers.GPTNeoForCausalLM(config).eval()


@pytest.mark.parametrize("site", ["pattern.1", "scores.1"])
def test_a_write_the_bridge_would_ignore_is_refused(gpt_neo: transformers.GPTNeoForCausalLM, site: str) -> None:
    lens = wrap(bridge(gpt_neo))
    with pytest.raises(UsageError, match="never reaches the bridge's output: '" + site), lens.edit({site: bent}):
        pass
    for arriving in ("z.1", "resid_mid.1", "mlp_post.0"):
        with lens.edit({arriving: bent}):
            assert not torch.equal(lens.logits(token_rows()), gpt_neo(token_rows()).logits)


def test_reading_what_the_bridge_misnames_is_refused(gpt_neo: transformers.GPTNeoForCausalLM) -> None:
    lens = wrap(bridge(gpt_neo))
    with pytest.raises(UsageError, match="scores"):
        lens.activations(token_rows(), ["scores.1"])
    with pytest.raises(UsageError, match=r"not visit the site: 'head.1.1'"):
        lens.activations(token_rows(), ["head.1.1"])


@pytest.mark.parametrize("no_processing", [True, False])
@pytest.mark.parametrize("family", ["gpt2", "gemma2"])
def test_a_bridge_in_compatibility_mode_edits_once_and_shows_its_processing(family: str, no_processing: bool) -> None:
    raw = bridge(tiny(family))
    raw.enable_compatibility_mode(no_processing=no_processing, disable_warnings=True)
    lens = wrap(raw)
    applied = tuple(STEPS) if family == "gpt2" else ("fold_norm",)
    assert lens.processing == (() if no_processing else applied)
    calls = []

    def count(value: Tensor) -> Tensor:
        calls.append(1)
        return value

    with lens.edit({"resid_post.1": count, "attn_out.1": count}):
        lens.logits(token_rows())
    assert len(calls) == 2


def test_a_model_that_reads_both_ways_is_refused() -> None:
    config = transformers.BertConfig(
        vocab_size=61, hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=48
    )
    with pytest.raises(UsageError, match=r"only decoder-only language models are supported: 'bert'"):
        wrap(bridge(transformers.BertForMaskedLM(config).eval()))
