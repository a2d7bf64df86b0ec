"""Hooks exist only while they are used, edits compose in order, and an activation that was read stays as it was."""

from contextlib import ExitStack

import pytest
import torch
from oracles.tiny_models import token_rows
from torch import Tensor

from mechlab.core.errors import UnknownName, UsageError
from mechlab.models.huggingface import HuggingFaceModel
from mechlab.models.sites import all_sites

TOKENS = token_rows()


def hooks_left(model: HuggingFaceModel) -> list[str]:
    """Return what is left behind on the modules: hooks, attributes, another attention function."""
    left = []
    for name, module in model.module.named_modules():
        kept = [module._forward_hooks, module._forward_pre_hooks, module._backward_hooks, module._backward_pre_hooks]
        left += [name] if any(kept) or any("mechlab" in key for key in module.__dict__) else []
    return left + ([] if model.module.config._attn_implementation != "mechlab" else ["attention function"])


def test_nothing_is_left_on_any_module_after_reading_and_editing_every_site(any_model: HuggingFaceModel) -> None:
    sites = all_sites(any_model.spec)
    before = {name: value.clone() for name, value in any_model.module.state_dict().items()}
    implementation = any_model.module.config._attn_implementation
    with any_model.read(*sites), any_model.edit({site: lambda value: value * 1.5 for site in sites}):
        any_model.logits(TOKENS)
        assert len(hooks_left(any_model)) > 10
    any_model.activations(TOKENS, sites)
    assert hooks_left(any_model) == []
    assert any_model.module.config._attn_implementation == implementation
    after = any_model.module.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize("site", ["resid_post.1", "pattern.1", "resid_mid.0", "head.1.2", "q.0", "pos_embed"])
def test_an_exception_in_an_edit_leaves_nothing_behind(gpt2: HuggingFaceModel, site: str) -> None:
    def fail(value: Tensor) -> Tensor:
        raise RuntimeError("inside")

    plain = gpt2.logits(TOKENS)
    with pytest.raises(RuntimeError, match="inside"), gpt2.read("scores.0"), gpt2.edit({site: fail}):
        gpt2.logits(TOKENS)
    with pytest.raises(RuntimeError, match="inside"), gpt2.edit({site: fail}):
        gpt2.activations(TOKENS, ["resid_post.2"])
    with pytest.raises(RuntimeError, match="inside"), gpt2.edit({site: fail}):
        gpt2.generate(TOKENS, 2)
    assert hooks_left(gpt2) == []
    assert torch.equal(gpt2.logits(TOKENS), plain)


def test_an_unknown_site_among_known_ones_leaves_nothing_behind(gpt2: HuggingFaceModel) -> None:
    for use in (
        lambda: gpt2.read("resid_post.0", "nowhere.1"),
        lambda: gpt2.edit(dict.fromkeys(["z.0", "z.7"], torch.neg)),
    ):
        with pytest.raises(UnknownName), use():
            pass
    with pytest.raises(UnknownName):
        gpt2.activations(TOKENS, ["pattern.0", "resid_mid.3"])
    assert hooks_left(gpt2) == []


def test_edits_of_one_site_compose_in_the_order_they_were_opened(gpt2: HuggingFaceModel) -> None:
    ramp = torch.linspace(-1, 1, 32)  # a constant would be invisible behind the norm
    double, shift = (lambda value: 2 * value), (lambda value: value + ramp)
    with gpt2.edit({"resid_post.0": double}), gpt2.edit({"blocks.0.hook_resid_post": shift}):
        found = gpt2.logits(TOKENS)
    with gpt2.edit({"resid_post.0": lambda value: 2 * value + ramp}):
        assert torch.equal(found, gpt2.logits(TOKENS))
    with gpt2.edit({"resid_post.0": shift}), gpt2.edit({"resid_post.0": double}):
        assert not torch.allclose(found, gpt2.logits(TOKENS), atol=1e-3)


def test_two_names_of_one_site_in_one_edit_both_apply(gpt2: HuggingFaceModel) -> None:
    ramp = torch.linspace(-1, 1, 32)
    with gpt2.edit({"resid_post.0": lambda v: 2 * v, "blocks.0.hook_resid_post": lambda v: v + ramp}):
        found = gpt2.logits(TOKENS)
    with gpt2.edit({"resid_post.0": lambda value: 2 * value + ramp}):
        assert torch.equal(found, gpt2.logits(TOKENS))


def test_edits_of_different_sites_apply_in_the_order_of_the_forward_pass(gpt2: HuggingFaceModel) -> None:
    edits = {
        "ln1_normalized.1": lambda value: value + 1,
        "ln1_scale.1": lambda value: 2 * value,
        "head.1.0": lambda value: value + 1,
        "result.1": lambda value: 2 * value,
    }
    with gpt2.read(*edits) as plain:
        gpt2.logits(TOKENS)
    plain = dict(plain)
    with gpt2.edit(edits), gpt2.read(*edits) as seen:
        gpt2.logits(TOKENS)
    torch.testing.assert_close(seen["ln1_scale.1"], 2 * plain["ln1_scale.1"])
    torch.testing.assert_close(seen["ln1_normalized.1"], plain["ln1_normalized.1"] / 2 + 1)
    torch.testing.assert_close(seen["head.1.0"], seen["result.1"][:, :, 0] + 1)


def test_an_inner_context_that_closes_leaves_the_outer_one_open(gpt2: HuggingFaceModel) -> None:
    with gpt2.edit({"pattern.0": torch.zeros_like}):
        outer = gpt2.logits(TOKENS)
        with gpt2.edit({"pattern.0": torch.ones_like, "scores.1": torch.zeros_like}), gpt2.read("pattern.0") as seen:
            assert not torch.equal(gpt2.logits(TOKENS), outer)
        assert seen["pattern.0"].min() == 1
        assert torch.equal(gpt2.logits(TOKENS), outer)


def test_a_reader_sees_the_activation_as_edited_by_those_opened_before_it(gpt2: HuggingFaceModel) -> None:
    with ExitStack() as stack:
        first = stack.enter_context(gpt2.read("resid_mid.1", "resid_post.1"))
        stack.enter_context(gpt2.edit({"resid_mid.1": torch.zeros_like, "resid_post.1": torch.zeros_like}))
        second = stack.enter_context(gpt2.read("resid_mid.1", "resid_post.1"))
        gpt2.logits(TOKENS)
    for site in first:
        assert first[site].abs().max() > 0
        assert second[site].abs().max() == 0


def test_an_edit_may_overwrite_what_it_is_given_without_touching_what_was_read(gpt2: HuggingFaceModel) -> None:
    def overwrite(value: Tensor) -> Tensor:
        value[:, 3:] = 0
        return value

    def replace(value: Tensor) -> Tensor:
        return torch.cat([value[:, :3], torch.zeros_like(value[:, 3:])], dim=1)

    for site in [
        "resid_pre.1",
        "resid_mid.1",
        "resid_post.0",
        "q.1",
        "z.0",
        "ln2_normalized.1",
        "head.0.1",
        "pos_embed",
    ]:
        with gpt2.read(site) as seen, gpt2.edit({site: replace}), torch.no_grad():
            expected, before = gpt2.logits(TOKENS), seen[site].clone()
        with gpt2.read(site) as seen, gpt2.edit({site: overwrite}), torch.no_grad():
            assert torch.equal(gpt2.logits(TOKENS), expected), site
        assert torch.equal(seen[site], before), site


@pytest.mark.parametrize("wrong", [lambda value: value[:, :1], lambda value: None, lambda value: 0.0])
def test_an_edit_that_returns_no_activation_of_the_same_shape_is_refused(gpt2: HuggingFaceModel, wrong) -> None:
    message = r"edit at attn_out.1 .*Return a tensor of shape \[2, 20, 32\]"
    with pytest.raises(UsageError, match=message), gpt2.edit({"attn_out.1": wrong}):
        gpt2.logits(TOKENS)


def test_a_reading_is_refilled_by_every_pass_and_emptied_by_one_that_does_not_get_there(gpt2: HuggingFaceModel) -> None:
    with gpt2.read("resid_post.2") as seen:
        assert dict(seen) == {}
        gpt2.logits(TOKENS)
        first = seen["resid_post.2"]
        gpt2.logits(token_rows(seed=1))
        assert not torch.equal(seen["resid_post.2"], first)
        gpt2.activations(TOKENS, ["resid_post.0"])
        assert dict(seen) == {}


def test_a_reading_is_found_by_any_name_and_says_what_there_is(gpt2: HuggingFaceModel) -> None:
    with gpt2.read("blocks.1.hook_resid_post") as seen:
        gpt2.logits(TOKENS)
    assert list(seen) == ["resid_post.1"]
    assert seen["blocks.1.hook_resid_post"] is seen["resid_post.1"]
    with pytest.raises(UnknownName, match=r"site was not read: 'resid_post.0'. Read so far: resid_post.1."):
        seen["resid_post.0"]


def test_the_same_reading_twice_is_kept_apart(gpt2: HuggingFaceModel) -> None:
    with gpt2.read("resid_post.1") as outer, gpt2.read("resid_post.1") as inner:
        gpt2.logits(TOKENS)
    assert torch.equal(outer["resid_post.1"], inner["resid_post.1"])
    assert outer is not inner
