"""A TransformerLens model answers every read and write as the plain Hugging Face model does."""

import pytest
import torch
from oracles.backends import BACKENDS, BOTH, EVERY, bent, pair, same
from oracles.tiny_models import tiny, token_rows

from mechlab.core.errors import UnknownName
from mechlab.core.randomness import torch_generator
from mechlab.models.language_model import LanguageModel
from mechlab.models.sites import Site
from mechlab.models.transformerlens import wrap


@EVERY
def test_logits_are_those_of_the_default_backend(family: str, backend: str) -> None:
    ours, lens = pair(family, backend)
    same(lens.logits(token_rows()), ours.logits(token_rows()))


@EVERY
def test_every_site_reads_as_in_the_default_backend(family: str, backend: str) -> None:
    ours, lens = pair(family, backend)
    missing = set(ours.sites()) - set(lens.sites())
    assert all(backend == "bridge" and name.startswith("rot_") for name in missing)
    names = [*lens.sites(), "head.1.2"]
    expected, found = ours.activations(token_rows(), names), lens.activations(token_rows(), names)
    assert list(found) and set(found) == set(names)
    for name in names:
        same(found[name], expected[name], name)


@EVERY
@pytest.mark.filterwarnings("ignore:A forward hook edited hook_scale")
def test_every_site_writes_as_in_the_default_backend(family: str, backend: str) -> None:
    ours, lens = pair(family, backend)
    plain = ours.logits(token_rows())
    for name in [name for name in lens.sites() if Site.parse(name, lens.spec).layer in (None, 1)] + ["head.1.2"]:
        with ours.edit({name: bent}):
            expected = ours.logits(token_rows())
        with lens.edit({name: bent}):
            found = lens.logits(token_rows())
        assert (expected - plain).abs().max() > 1e-3, name
        same(found, expected, name)


@EVERY
def test_edited_generation_gives_the_same_tokens_with_and_without_cache(family: str, backend: str) -> None:
    ours, lens = pair(family, backend)
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
    ours, lens = pair("llama", backend)
    rows = [
        m.generate(token_rows(1, 5), 6, temperature=1.0, generator=torch_generator(1, "draw")) for m in (ours, lens)
    ]
    assert torch.equal(*rows)


@BOTH
def test_edits_compose_as_in_the_default_backend_whatever_order_they_are_opened_in(backend: str) -> None:
    ours, lens = pair("gpt2", backend)
    outer = {"resid_mid.1": bent, "head.1.0": lambda value: value + 1}
    inner = {"attn_out.1": lambda value: value + 1, "z.1": bent, "result.1": lambda value: value * value}
    results = []
    for model in (ours, lens):
        with model.edit(outer), model.edit(inner), model.edit({"attn_out.1": lambda value: value * value}):
            results.append(model.logits(token_rows()))
    same(*results)


@BOTH
def test_a_reading_is_refilled_and_sees_the_edits_opened_before_it(backend: str) -> None:
    _, lens = pair("llama", backend)
    with lens.edit({"resid_post.1": torch.zeros_like}), lens.read("resid_post.1", "mlp_out.1") as seen:
        lens.logits(token_rows(1, 4))
        assert not seen["blocks.1.hook_resid_post"].any()
        lens.logits(token_rows(3, 5))
        assert seen["mlp_out.1"].shape[:2] == (3, 5)
        lens.activations(token_rows(1, 4), ["resid_pre.0"])
        assert not seen


@BOTH
def test_editing_a_head_leaves_an_earlier_reading_of_all_heads_as_it_was(backend: str) -> None:
    _, lens = pair("llama", backend)
    with lens.read("result.1") as seen:
        lens.logits(token_rows())
        before = seen["result.1"].clone()
        with lens.edit({"head.1.2": torch.zeros_like}):
            lens.logits(token_rows())
    assert torch.equal(seen["result.1"], before)


@BOTH
def test_activations_see_open_edits_and_stop_at_the_deepest_site(backend: str) -> None:
    ours, lens = pair("gpt2", backend)
    reached = []
    with ours.edit({"resid_mid.0": bent}), lens.edit({"resid_mid.0": bent, "resid_pre.2": reached.append}):
        found = lens.activations(token_rows(), ["resid_post.1"])
        same(found["resid_post.1"], ours.activations(token_rows(), ["resid_post.1"])["resid_post.1"])
    assert not reached


@BOTH
def test_everything_is_undone_also_after_an_exception(backend: str) -> None:
    _, lens = pair("gpt2", backend)
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
    _, lens = pair("gpt2", backend)
    with pytest.raises(UnknownName):
        lens.activations(token_rows(), [name])
    with pytest.raises(UnknownName), lens.edit({name: torch.zeros_like}):
        pass


@BOTH
def test_the_fingerprint_follows_the_weights(backend: str) -> None:
    prints = [wrap(BACKENDS[backend](tiny("llama", seed))).fingerprint for seed in (0, 0, 1)]
    assert prints[0] == prints[1] != prints[2]
