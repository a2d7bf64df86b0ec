"""Features of a dictionary and of a set of transcoders look alike, and a set's reach later layers as hooks write it."""

from dataclasses import replace

import pytest
import torch
from circuits.attribution.random_transcoders import random_set
from oracles.tiny_models import D_MODEL, tiny, token_rows

from mechlab.core.errors import UsageError
from mechlab.dictionaries.crosscoder import CrosscoderConfig, CrosscoderDictionary
from mechlab.dictionaries.topk import TopKConfig, TopKDictionary
from mechlab.interventions.steering.features import features_of
from mechlab.interventions.steering.parts import FeaturePart
from mechlab.interventions.steering.span import TokenSpan
from mechlab.interventions.steering.spec import SteerGate, SteerSpec, SteerStep
from mechlab.interventions.steering.steer_by import steer_by
from mechlab.models.huggingface import HuggingFaceModel
from mechlab.models.sites import Site

MODEL = HuggingFaceModel(tiny("gpt2").double())
TOPK = TopKDictionary(TopKConfig(d_in=D_MODEL, d_sae=20, k=4), seed=1).double().requires_grad_(False)
PROMPTS = token_rows(2, 5)


def of_set(layer: int, feature: int = 3) -> FeaturePart:
    return FeaturePart(dictionary="set", feature=feature, layer=layer)


def test_a_dictionarys_features_are_read_and_written_where_it_was_trained():
    found = features_of(FeaturePart(dictionary="one", feature=3), "resid_post.1", {"one": TOPK}, MODEL.spec)
    x = torch.randn(2, 3, D_MODEL, dtype=torch.float64)
    assert (found.read, found.targets, found.n) == (Site("resid_post", 1), (Site("resid_post", 1),), 20)
    assert torch.equal(found.codes_of(torch.tensor([3, 7]))(x), TOPK.encode(x)[..., [3, 7]])
    written = found.writers(torch.tensor([3, 7]), found.read)
    zeros = torch.zeros(20, dtype=torch.float64)
    for row, number in zip(written, (3, 7), strict=True):
        one = zeros.clone()
        one[number] = 1
        torch.testing.assert_close(row, TOPK.decode(one) - TOPK.decode(zeros))


def test_a_tensor_that_was_just_encoded_is_not_encoded_again_and_another_one_is():
    counted = []

    def encode(x: torch.Tensor) -> torch.Tensor:
        counted.append(x)
        return x

    found = features_of(FeaturePart(dictionary="one", feature=0), "resid_post.1", {"one": TOPK}, MODEL.spec)
    codes = replace(found, encoder=lambda numbers: encode).codes_of(torch.tensor([0]))
    x, y = torch.zeros(1, 1, 2, dtype=torch.float64), torch.ones(1, 1, 2, dtype=torch.float64)
    assert [float(codes(one).sum()) for one in (x, x, y, x)] == [0, 0, 2, 0] and len(counted) == 3


@torch.no_grad()
def by_hand(found, tokens, layer, feature, new, n_prompt):
    """The oracle: MLPs of GPT-2 by hooks of PyTorch's own; the feature's new code from the first decoded token on."""
    blocks, changed = MODEL.module.transformer.h, {}

    def remember(module, args):
        own = blocks[layer].ln_2
        x = torch.nn.functional.layer_norm(args[0], args[0].shape[-1:], eps=own.eps)
        codes = found.codes(layer, x)
        changed["more"] = torch.zeros_like(codes[..., feature])
        changed["more"][:, n_prompt:] = new(codes[:, n_prompt:, feature]) - codes[:, n_prompt:, feature]

    def write(target):
        def answer(module, args, output):
            rows = found.writers(layer, torch.tensor([feature]), target)
            return output if rows is None or target < layer else output + changed["more"][..., None] * rows[0]

        return answer

    handles = [blocks[layer].ln_2.register_forward_pre_hook(remember)]
    handles += [block.mlp.register_forward_hook(write(target)) for target, block in enumerate(blocks)]
    try:
        return MODEL.module(tokens, use_cache=False).logits
    finally:
        for handle in handles:
            handle.remove()


@pytest.mark.parametrize("kind", ["relu with a skip", "topk", "crosslayer_transcoder", "topk_crosslayer_transcoder"])
def test_a_transcoders_feature_is_clamped_from_what_its_layer_reads_to_all_it_writes(kind):
    found = random_set(kind, MODEL.spec)
    step = SteerStep(part=of_set(1), operation="clamp", strength=4, span=TokenSpan(within="decoded"))
    with torch.no_grad(), steer_by(MODEL, SteerSpec(steps=(step,)), {"set": found}):
        text = MODEL.generate(PROMPTS, 6)
        assert torch.equal(MODEL.generate(PROMPTS, 6, use_cache=False), text)
    tokens = PROMPTS
    for _ in range(6):
        logits = by_hand(found, tokens, 1, 3, lambda a: torch.full_like(a, 4.0), 5)
        tokens = torch.cat([tokens, logits[:, -1].argmax(-1, keepdim=True)], 1)
    assert torch.equal(text, tokens) and not torch.equal(text, MODEL.generate(PROMPTS, 6))
    with torch.no_grad(), steer_by(MODEL, SteerSpec(steps=(step,)), {"set": found}, n_prompt=5):
        steered = MODEL.logits(text)
    expected = by_hand(found, text, 1, 3, lambda a: torch.full_like(a, 4.0), 5)
    torch.testing.assert_close(steered, expected, rtol=0, atol=1e-9)


def test_rows_may_ask_for_different_features_of_a_set_and_be_gated_by_them():
    found = random_set("crosslayer_transcoder", MODEL.spec)
    gate = SteerGate(part=of_set(0, 5), above=0.3)
    specs = [
        SteerSpec(steps=(SteerStep(part=of_set(1, 3), operation="clamp", strength=4),)),
        None,
        SteerSpec(steps=(SteerStep(part=of_set(1, 6), operation="scale", strength=3, gate=gate),)),
    ]
    tokens = token_rows(3, 6)
    with torch.no_grad(), steer_by(MODEL, specs, {"set": found}):
        together = MODEL.logits(tokens)
    for number, own in enumerate(specs):
        with torch.no_grad(), steer_by(MODEL, own or SteerSpec(), {"set": found}):
            alone = MODEL.logits(tokens[number : number + 1])
        torch.testing.assert_close(together[number : number + 1], alone, rtol=0, atol=1e-9)


def test_a_route_leads_from_what_is_read_to_what_is_written():
    found = random_set("topk", MODEL.spec)
    own = SteerStep(part=FeaturePart(dictionary="one", feature=3), operation="clamp", strength=4, sites=("mlp.1",))
    same = SteerStep(part=of_set(1), operation="clamp", strength=4)
    logits = []
    for step, source in ((own, {"one": found.layers[1]}), (same, {"set": found})):
        with torch.no_grad(), steer_by(MODEL, SteerSpec(steps=(step,)), source):
            logits.append(MODEL.logits(PROMPTS))
    assert torch.equal(*logits)


CROSS = CrosscoderDictionary(CrosscoderConfig.of_layers(2, D_MODEL, 20)).double()


@pytest.mark.parametrize(
    ("part", "place", "line"),
    [
        (FeaturePart(dictionary="two", feature=0), "resid_post.1", "a dictionary is needed under this name: 'two'"),
        (FeaturePart(dictionary="v", feature=0), "resid_post.1", "a dictionary is needed under this name: 'v'"),
        (of_set(0), None, "a set of transcoders is needed under this name: 'set'"),
        (FeaturePart(dictionary="sets", feature=0, layer=9), None, "no such layer: 9. Layers are 0..2"),
        (FeaturePart(dictionary="cross", feature=0), "resid_post.0,resid_post.1", "dictionary of several sites"),
        (FeaturePart(dictionary="one", feature=0), "resid_post.7", "no such layer or head"),
    ],
)
def test_what_is_not_given_or_not_there_is_refused(part, place, line):
    sources = {"one": TOPK, "v": torch.ones(3), "sets": random_set("topk", MODEL.spec), "cross": CROSS}
    with pytest.raises(UsageError, match=line):
        features_of(part, place, sources, MODEL.spec)


@pytest.mark.parametrize("number", [-1, 20])
def test_a_feature_that_is_not_there_is_refused(number):
    found = features_of(FeaturePart(dictionary="one", feature=0), "resid_post.1", {"one": TOPK}, MODEL.spec)
    with pytest.raises(UsageError, match=r"no such feature: -?\d+. Features are 0\.\.19"):
        found.checked(number)
