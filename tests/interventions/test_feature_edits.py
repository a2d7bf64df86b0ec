"""A feature's code is changed exactly once at every position, with and without a cache, and what it writes with it."""

import pytest
import torch
from circuits.attribution.random_transcoders import random_set
from oracles.tiny_models import tiny, token_rows

from mechlab.core.errors import UsageError
from mechlab.interventions.feature_edits import FeatureEdit, changed_codes, edit_features
from mechlab.interventions.stand_in import stand_in
from mechlab.interventions.transcoder_set import TranscoderSet
from mechlab.models.huggingface import HuggingFaceModel

KINDS = ("relu with a skip", "topk", "crosslayer_transcoder")


def made(kind: str, family: str = "gpt2") -> tuple[HuggingFaceModel, TranscoderSet]:
    model = HuggingFaceModel(tiny(family).double())
    return model, random_set(kind, model.spec)


@torch.no_grad()
def by_hand(model, found: TranscoderSet, tokens, edits, n_new: int = 0):
    """The oracle: GPT-2 by hooks of PyTorch's own, the whole row anew for every token; changed one edit at a time."""
    blocks, streams, later = model.module.transformer.h, {}, {}

    def write(layer):
        def answer(module, args, output):
            x = torch.nn.functional.layer_norm(streams[layer], streams[layer].shape[-1:], eps=blocks[layer].ln_2.eps)
            old = found.codes(layer, x)
            new = old.clone()
            for edit in edits:
                for position in range(x.shape[1]):
                    if edit.layer == layer and (edit.positions is None or position in edit.positions):
                        new[:, position, edit.feature] = edit.factor * new[:, position, edit.feature] + edit.constant
            later[layer] = new - old
            for source in range(layer + 1):
                features = later[source].flatten(0, 1).any(0).nonzero().squeeze(1)
                rows = found.writers(source, features, layer)
                output = output if rows is None else output + later[source][..., features] @ rows
            return output

        return answer

    handles = [
        b.ln_2.register_forward_hook(lambda m, a, o, i=i: streams.update({i: a[0]})) for i, b in enumerate(blocks)
    ]
    handles += [block.mlp.register_forward_hook(write(layer)) for layer, block in enumerate(blocks)]
    for _ in range(n_new):
        best = model.module(tokens, use_cache=False).logits[:, -1].argmax(-1, keepdim=True)
        tokens = torch.cat([tokens, best], dim=1)
    logits = model.module(tokens).logits
    for handle in handles:
        handle.remove()
    return logits, tokens


EDITS = [
    FeatureEdit(0, 3, constant=4.0),
    FeatureEdit(1, 5, positions=range(2, 4)),
    FeatureEdit(1, 7, factor=2.0, constant=-0.5),
    FeatureEdit(2, 0, factor=-1.0, positions=range(5, 60)),
]


@pytest.mark.parametrize("kind", KINDS)
def test_clamping_scaling_and_ablating_is_what_hooks_of_the_model_s_own_give(kind):
    model, found = made(kind)
    tokens = token_rows(3, 8)
    for edits in ([EDITS[0]], [EDITS[1]], EDITS):
        with edit_features(model, found, edits):
            seen = model.logits(tokens)
        assert torch.allclose(seen, by_hand(model, found, tokens, edits)[0], atol=1e-9)
    assert (seen - model.logits(tokens)).abs().max() > 0.1


@pytest.mark.parametrize("kind", KINDS)
def test_cached_generation_equals_full_recomputation_token_by_token(kind):
    model, found = made(kind)
    prompts = token_rows(3, 5)
    edits = [
        FeatureEdit(0, 3, constant=9.0, positions=range(5, 60)),
        FeatureEdit(1, 4, constant=6.0, positions=range(3, 60)),
    ]
    _, expected = by_hand(model, found, prompts, edits, n_new=15)
    with edit_features(model, found, edits):
        cached, anew = model.generate(prompts, 15), model.generate(prompts, 15, use_cache=False)
    assert torch.equal(cached, expected) and torch.equal(anew, expected)
    assert not torch.equal(cached, model.generate(prompts, 15)), "these codes change the text"


def test_a_code_that_stays_the_same_leaves_the_model_bit_for_bit_as_it_was():
    model, found = made("topk", "llama")
    tokens = token_rows(2, 6)
    for edits in ([], [FeatureEdit(1, 2, factor=1.0)], [FeatureEdit(1, 2, positions=range(9, 12))]):
        with edit_features(model, found, edits):
            seen = model.logits(tokens)
        assert torch.equal(seen, model.logits(tokens))


def test_a_stand_in_takes_the_same_changes():
    model, found = made("relu with a skip")
    tokens, last = token_rows(2, 6), 2
    edits = [FeatureEdit(last, 3, constant=2.0)]
    with stand_in(model, found, change=changed_codes(model, found, edits)):
        inside = model.logits(tokens)
    with stand_in(model, found), edit_features(model, found, edits):
        outside = model.logits(tokens)
    assert torch.allclose(inside, outside, atol=1e-9)
    with stand_in(model, found):
        assert (inside - model.logits(tokens)).abs().max() > 1e-3


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (FeatureEdit(3, 0), r"no such layer: 3. Layers are 0..2"),
        (FeatureEdit(1, 24), r"no such feature: 24. Features are 0..23"),
        (FeatureEdit(1, -1), "no such feature: -1"),
        (FeatureEdit(1, 0, constant=float("nan")), "not finite: '0.0 and nan'"),
    ],
)
@pytest.mark.parametrize("kind", ["relu", "crosslayer_transcoder"])
def test_what_does_not_exist_is_refused(kind, edit, said):
    model, found = made(kind)
    with pytest.raises(UsageError, match=said), edit_features(model, found, [edit]):
        raise AssertionError("the context must not open")
