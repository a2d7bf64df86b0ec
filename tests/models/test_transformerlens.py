"""A TransformerLens model behind our interface answers every read and write as the plain Hugging Face model does."""

import math
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
import torch
import transformers
from oracles.tiny_models import FAMILIES, bridge, hooked_transformer, tiny, token_rows
from tokenizers import Tokenizer, models
from torch import Tensor
from transformer_lens import HookedTransformer, HookedTransformerConfig

from mechlab.core.errors import UnknownName, UsageError
from mechlab.core.randomness import torch_generator
from mechlab.models.huggingface import HuggingFaceModel
from mechlab.models.language_model import LanguageModel
from mechlab.models.processing import STEPS
from mechlab.models.sites import Site
from mechlab.models.transformerlens import wrap

BACKENDS: dict[str, Callable] = {"hooked_transformer": hooked_transformer, "bridge": bridge}
# Mistral and Qwen2 take Llama's way through TransformerLens; the others each have one of their own.
SLOW = ("mistral", "qwen2")
EVERY = pytest.mark.parametrize(
    ("family", "backend"),
    [
        pytest.param(family, backend, marks=[pytest.mark.slow] if family in SLOW else [])
        for family in FAMILIES
        for backend in BACKENDS
    ],
)
BOTH = pytest.mark.parametrize("backend", BACKENDS)


@cache
def _pair(family: str, backend: str) -> tuple[LanguageModel, LanguageModel]:
    """Return the tiny model behind the default backend and behind TransformerLens."""
    module = tiny(family)
    return HuggingFaceModel(module), wrap(BACKENDS[backend](module))


def _same(found: Tensor, expected: Tensor, message: str = "") -> None:
    torch.testing.assert_close(found, expected, atol=2e-5, rtol=1e-5, msg=lambda detail: f"{message}: {detail}")


def _bent(value: Tensor) -> Tensor:
    return value * torch.linspace(0.5, 1.5, value.shape[-1])


@EVERY
def test_logits_are_those_of_the_default_backend(family: str, backend: str) -> None:
    ours, lens = _pair(family, backend)
    _same(lens.logits(token_rows()), ours.logits(token_rows()))


@EVERY
def test_every_site_reads_as_in_the_default_backend(family: str, backend: str) -> None:
    ours, lens = _pair(family, backend)
    missing = set(ours.sites()) - set(lens.sites())
    assert all(backend == "bridge" and name.startswith("rot_") for name in missing)
    names = [*lens.sites(), "head.1.2"]
    expected, found = ours.activations(token_rows(), names), lens.activations(token_rows(), names)
    assert list(found) and set(found) == set(names)
    for name in names:
        _same(found[name], expected[name], name)


@EVERY
@pytest.mark.filterwarnings("ignore:A forward hook edited hook_scale")
def test_every_site_writes_as_in_the_default_backend(family: str, backend: str) -> None:
    ours, lens = _pair(family, backend)
    plain = ours.logits(token_rows())
    for name in [name for name in lens.sites() if Site.parse(name, lens.spec).layer in (None, 1)] + ["head.1.2"]:
        with ours.edit({name: _bent}):
            expected = ours.logits(token_rows())
        with lens.edit({name: _bent}):
            found = lens.logits(token_rows())
        assert (expected - plain).abs().max() > 1e-3, name
        _same(found, expected, name)


@EVERY
def test_weights_are_those_of_the_default_backend(family: str, backend: str) -> None:
    ours, lens = (model.weights() for model in _pair(family, backend))
    for one, other in [(ours, lens), *zip(ours.layers, lens.layers, strict=True)]:
        for name in one.__dataclass_fields__:
            expected, found = getattr(one, name), getattr(other, name)
            if isinstance(expected, Tensor):
                torch.testing.assert_close(found, expected, atol=1e-6, rtol=0, msg=name)
            elif name != "layers":
                assert found is None, name


@EVERY
def test_the_spec_is_that_of_the_default_backend_but_for_the_count_of_parameters(family: str, backend: str) -> None:
    ours, lens = _pair(family, backend)
    assert lens.spec.model_copy(update={"n_params": 0}) == ours.spec.model_copy(update={"n_params": 0})


@EVERY
def test_edited_generation_gives_the_same_tokens_with_and_without_cache(family: str, backend: str) -> None:
    ours, lens = _pair(family, backend)
    prompts = token_rows(2, 6)
    edits = {"resid_mid.1" if "resid_mid.1" in lens.sites() else "resid_post.1": lambda value: -2 * value}
    plain = lens.generate(prompts, 8)
    with ours.edit(edits), lens.edit(edits):
        expected = ours.generate(prompts, 8)
        assert torch.equal(lens.generate(prompts, 8), expected)
        assert torch.equal(lens.generate(prompts, 8, use_cache=False), expected)
    assert not torch.equal(plain, expected)
    assert torch.equal(plain, ours.generate(prompts, 8))


@BOTH
def test_sampling_with_the_same_generator_gives_the_same_tokens(backend: str) -> None:
    ours, lens = _pair("llama", backend)
    rows = [
        m.generate(token_rows(1, 5), 6, temperature=1.0, generator=torch_generator(1, "draw")) for m in (ours, lens)
    ]
    assert torch.equal(*rows)


@BOTH
def test_edits_compose_as_in_the_default_backend_whatever_order_they_are_opened_in(backend: str) -> None:
    ours, lens = _pair("gpt2", backend)
    outer, inner = {"resid_mid.1": _bent, "head.1.0": _bent}, {"attn_out.1": lambda value: value + 1, "z.1": _bent}
    results = []
    for model in (ours, lens):
        with model.edit(outer), model.edit(inner), model.edit({"attn_out.1": lambda value: value * value}):
            results.append(model.logits(token_rows()))
    _same(*results)


@BOTH
def test_a_reading_is_refilled_and_sees_the_edits_opened_before_it(backend: str) -> None:
    _, lens = _pair("llama", backend)
    with lens.edit({"resid_post.1": torch.zeros_like}), lens.read("resid_post.1", "mlp_out.1") as seen:
        lens.logits(token_rows(1, 4))
        assert not seen["blocks.1.hook_resid_post"].any()
        lens.logits(token_rows(3, 5))
        assert seen["mlp_out.1"].shape[:2] == (3, 5)


@BOTH
def test_activations_see_open_edits_and_stop_at_the_deepest_site(backend: str) -> None:
    ours, lens = _pair("gpt2", backend)
    reached = []
    with ours.edit({"resid_mid.0": _bent}), lens.edit({"resid_mid.0": _bent, "resid_pre.2": reached.append}):
        found = lens.activations(token_rows(), ["resid_post.1"])
        _same(found["resid_post.1"], ours.activations(token_rows(), ["resid_post.1"])["resid_post.1"])
    assert not reached


@BOTH
def test_everything_is_undone_also_after_an_exception(backend: str) -> None:
    _, lens = _pair("gpt2", backend)
    plain, hooks = lens.logits(token_rows()), _n_hooks(lens)
    with pytest.raises(ZeroDivisionError), lens.edit({"head.1.1": lambda value: 1 / 0}), lens.read("result.0"):
        lens.logits(token_rows())
    assert torch.equal(lens.logits(token_rows()), plain)
    assert _n_hooks(lens) == hooks
    assert not lens.wrapped.cfg.use_attn_result


def _n_hooks(lens: LanguageModel) -> int:
    return sum(len(module._forward_hooks) + len(module._forward_pre_hooks) for module in lens.wrapped.modules())


@BOTH
def test_hooks_the_user_added_stay_and_take_part(backend: str) -> None:
    lens = wrap(BACKENDS[backend](tiny("gpt2")))
    plain = lens.logits(token_rows())
    lens.wrapped.add_hook("blocks.1.hook_resid_post", lambda value, hook: value * torch.linspace(0, 1, value.shape[-1]))
    hooked = lens.logits(token_rows())
    lens.activations(token_rows(), ["resid_post.1"])
    assert not torch.equal(hooked, plain)
    assert torch.equal(lens.logits(token_rows()), hooked)


@BOTH
@pytest.mark.parametrize("name", ["resid_mdi.1", "blocks.1.hook_resid_mdi", "resid_post.9"])
def test_an_unknown_site_is_refused(backend: str, name: str) -> None:
    _, lens = _pair("gpt2", backend)
    with pytest.raises(UnknownName):
        lens.activations(token_rows(), [name])
    with pytest.raises(UnknownName), lens.edit({name: torch.zeros_like}):
        pass


def test_a_site_the_bridge_has_no_hook_for_is_refused_with_those_it_has() -> None:
    _, lens = _pair("neox_parallel", "bridge")
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
    with pytest.raises(UsageError, match="never reaches the bridge's output: '" + site), lens.edit({site: _bent}):
        pass
    for arriving in ("z.1", "resid_mid.1", "mlp_post.0"):
        with lens.edit({arriving: _bent}):
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


def test_processing_of_a_hooked_transformer_is_found_in_its_weights() -> None:
    module = tiny("qwen2")
    assert wrap(hooked_transformer(module)).processing == ()
    found = wrap(hooked_transformer(module, fold_ln=True, center_unembed=True, fold_value_biases=True)).processing
    assert found == ("fold_norm", "center_unembed", "fold_value_biases")


@BOTH
def test_the_fingerprint_follows_the_weights(backend: str) -> None:
    prints = [wrap(BACKENDS[backend](tiny("llama", seed))).fingerprint for seed in (0, 0, 1)]
    assert prints[0] == prints[1] != prints[2]


def test_an_attention_only_model_without_norms_is_read_and_edited() -> None:
    config = HookedTransformerConfig(
        n_layers=2, d_model=16, d_head=4, n_ctx=8, d_vocab=61, attn_only=True, normalization_type=None, seed=0
    )
    model = HookedTransformer(config)
    lens = wrap(model)
    assert lens.weights().W_in.shape == (2, 16, 0)
    assert not any(name.startswith(("mlp", "resid_mid", "ln")) for name in lens.sites())
    stream = lens.activations(token_rows(1, 6), ["resid_pre.1", "attn_out.1", "resid_post.1"])
    _same(stream["resid_pre.1"] + stream["attn_out.1"], stream["resid_post.1"])
    with lens.edit({"attn_out.0": torch.zeros_like, "attn_out.1": torch.zeros_like}):
        direct = (model.W_E[token_rows(1, 6)] + model.W_pos[:6]) @ model.W_U + model.b_U
        _same(lens.logits(token_rows(1, 6)), direct)


@pytest.fixture
def tokenizer(tmp_path: Path) -> transformers.PreTrainedTokenizerBase:
    """A tokenizer that pads on the left with a token that also occurs in texts."""
    core = Tokenizer(models.WordLevel({f"w{token}": token for token in range(61)}, unk_token="w0"))
    special = {"pad_token": "w5", "bos_token": "w1", "eos_token": "w2", "unk_token": "w0"}
    transformers.PreTrainedTokenizerFast(tokenizer_object=core, padding_side="left", **special).save_pretrained(
        tmp_path
    )
    return transformers.AutoTokenizer.from_pretrained(tmp_path)


def test_padding_tokens_inside_a_row_are_read_like_any_other(tokenizer: transformers.PreTrainedTokenizerBase) -> None:
    module, rows = tiny("gpt2"), token_rows().clone()
    rows[:, :3] = 5
    _same(wrap(hooked_transformer(module, tokenizer)).logits(rows), module(rows).logits)


def test_a_wrapped_model_speaks_through_its_tokenizer(tokenizer: transformers.PreTrainedTokenizerBase) -> None:
    lens = wrap(hooked_transformer(tiny("gpt2"), tokenizer), name="mine")
    assert (lens.name, lens.bos_id, lens.to_tokens("w7").tolist()) == ("mine", 1, [[1, 7]])


def test_another_object_is_refused() -> None:
    with pytest.raises(UsageError, match=r"'Linear'\. Pass a HookedTransformer"):
        wrap(torch.nn.Linear(2, 2))


def test_the_scale_of_a_wrapped_gemma_embedding_is_in_its_weights() -> None:
    module = tiny("gemma2")
    expected = module.get_input_embeddings().weight * math.sqrt(module.config.hidden_size)
    torch.testing.assert_close(wrap(bridge(module)).weights().W_E, expected)
