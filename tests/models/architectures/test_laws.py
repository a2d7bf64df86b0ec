"""Every family obeys the same laws: TransformerLens and transformers decide what is read, written and generated."""

import torch
from oracles.tiny_models import FAMILIES, hooked_transformer, tiny, token_rows
from torch import Tensor

from mechlab.models.architectures import ARCHITECTURES
from mechlab.models.huggingface import HuggingFaceModel
from mechlab.models.sites import Site, all_sites

TOKENS = token_rows()


def same(found: Tensor, expected: Tensor, what: object) -> None:
    """Compare to 1e-5 of the largest number (1 at least: a trained model's scores reach the tens); masks must agree."""
    assert found.shape == expected.shape, what
    finite = expected.isfinite()
    assert torch.equal(finite, found.isfinite()), what
    found, expected = found[finite], expected[finite]
    error, scale = (found - expected).abs().max().item(), expected.abs().max().item()
    assert error <= 1e-5 * max(1.0, scale), f"{what}: {error} at scale {scale}"


def bent(value: Tensor) -> Tensor:
    """Change every number, each differently, keep its sign, and leave masked scores masked."""
    return value * torch.linspace(0.6, 1.7, value.numel()).reshape(value.shape)


def test_every_architecture_has_a_tiny_model_to_be_tested_on() -> None:
    assert {tiny(family).config.model_type for family in FAMILIES} == set(ARCHITECTURES)


def test_every_parameter_belongs_to_a_part(any_model: HuggingFaceModel) -> None:
    layout = any_model.layout
    whole = [layout.embed, layout.pos_embed, layout.final_norm.module, layout.unembed]
    parts = [module for module in whole if module is not None]
    for block in layout.blocks:
        norms = (block.ln1, block.ln2, block.q_norm, block.k_norm, block.ln1_post, block.ln2_post)
        parts += [norm.module for norm in norms if norm is not None]
        linear = (block.q.module, block.k.module, block.v.module, block.o, block.mlp_in, block.mlp_gate, block.mlp_proj)
        parts += [module for module in linear if module is not None]
    found = {id(parameter) for part in parts for parameter in part.parameters(recurse=False)}
    assert found == {id(parameter) for parameter in any_model.module.parameters()}


def test_logits_are_those_of_transformers(any_model: HuggingFaceModel) -> None:
    with torch.no_grad():
        torch.testing.assert_close(any_model.logits(TOKENS), any_model.module(TOKENS).logits, atol=1e-4, rtol=0)


def test_every_transformerlens_hook_name_reads_what_transformerlens_reads(any_model: HuggingFaceModel) -> None:
    with torch.no_grad():
        _, cache = hooked_transformer(any_model.module).run_with_cache(TOKENS)
    read = any_model.activations(TOKENS, list(cache.keys()))
    for name, expected in cache.items():
        found = read[name]
        # The reference flattens rows, positions and heads where queries and keys are normalized per head.
        found = found.reshape(expected.shape) if "_norm." in name else found
        same(found, expected, name)
    assert len(read) == len(cache)


def test_every_edit_changes_the_logits_as_in_transformerlens(any_model: HuggingFaceModel) -> None:
    reference = hooked_transformer(any_model.module)
    with torch.no_grad():
        plain = any_model.logits(TOKENS)
        for site in all_sites(any_model.spec):
            if site.layer not in (None, 0, any_model.spec.n_layers - 1):
                continue
            reference.set_use_attn_result(site.kind == "result")
            expected = reference.run_with_hooks(TOKENS, fwd_hooks=[(site.hook_name, lambda value, hook: bent(value))])
            with any_model.edit({str(site): bent}):
                found = any_model.logits(TOKENS)
            assert (found - plain).abs().max() > 1e-3, f"{site} has no effect"
            same(found, expected, site)
        assert torch.equal(any_model.logits(TOKENS), plain)


def test_every_head_reads_and_writes_its_slice_of_the_result(any_model: HuggingFaceModel) -> None:
    reference = hooked_transformer(any_model.module)
    reference.set_use_attn_result(True)
    with torch.no_grad():
        for head in range(any_model.spec.n_heads):
            site = Site("head", 1, head)

            def edit(value: Tensor, hook: object, head: int = head) -> Tensor:
                value[:, :, head] = bent(value[:, :, head])
                return value

            expected = reference.run_with_hooks(TOKENS, fwd_hooks=[(site.hook_name, edit)])
            with any_model.read(site) as seen, any_model.edit({site: bent}):
                found = any_model.logits(TOKENS)
            result = any_model.activations(TOKENS, ["result.1"])["result.1"]
            same(seen[str(site)], result[:, :, head], site)
            same(found, expected, site)


def test_heads_and_the_output_bias_add_up_to_the_attention_module(any_model: HuggingFaceModel) -> None:
    block = any_model.layout.blocks[1]
    with any_model.read("result.1") as seen, torch.no_grad():
        outputs = []
        handle = block.o.register_forward_hook(lambda module, args, output: outputs.append(output))
        any_model.logits(TOKENS)
        handle.remove()
    bias = 0 if getattr(block.o, "bias", None) is None else block.o.bias
    same(seen["result.1"].sum(2) + bias, outputs[0], "sum of heads")


def test_greedy_text_is_that_of_transformers_with_and_without_a_cache(any_model: HuggingFaceModel) -> None:
    prompts = token_rows(2, 6)
    expected = any_model.module.generate(
        prompts, max_new_tokens=20, min_new_tokens=20, do_sample=False, attention_mask=torch.ones_like(prompts)
    )
    # Where the reference may not end a text early it forbids the ending tokens; the comparison stops at our first one.
    ends = any_model.module.generation_config.eos_token_id
    ends = torch.tensor([ends] if not isinstance(ends, list) else ends) if ends is not None else torch.tensor([-1])
    for use_cache in (True, False):
        found = any_model.generate(prompts, 20, use_cache=use_cache)
        for row, wanted in zip(found, expected, strict=True):
            stop = torch.isin(row[6:], ends).nonzero()
            n_same = 6 + (int(stop[0]) if len(stop) else 20)
            assert n_same > 8
            assert row[:n_same].tolist() == wanted[:n_same].tolist()


def test_edited_generation_with_a_cache_equals_recomputation_token_by_token(any_model: HuggingFaceModel) -> None:
    prompts = token_rows(2, 6)
    edits = {
        "resid_post.0": lambda value: value + 0.5 * value.roll(1, -1),
        "z.1": lambda value: 0.5 * value,
        "pattern.0": lambda value: value**2,
        "scores.1": lambda value: 1.5 * value,
        "mlp_out.1": lambda value: -value,
    }
    with any_model.edit(edits):
        found, recomputed = any_model.generate(prompts, 16), any_model.generate(prompts, 16, use_cache=False)
        rows = prompts
        for _ in range(16):
            with torch.no_grad():
                rows = torch.cat([rows, any_model.logits(rows)[:, -1:].argmax(-1)], dim=1)
    assert found.tolist() == recomputed.tolist() == rows.tolist()
    assert found.tolist() != any_model.generate(prompts, 16).tolist()
