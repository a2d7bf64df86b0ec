"""Steered generation with a cache is what hooks of PyTorch's own write when everything is computed again each time."""

import copy
from collections.abc import Callable

import pytest
import torch
from oracles.steered_by_hand import Rule, logits_by_hand, text_by_hand
from oracles.tiny_models import D_MODEL, hooked_transformer, tiny, token_rows

from mechlab.core.errors import UsageError
from mechlab.dictionaries.relu import ReluConfig, ReluDictionary
from mechlab.dictionaries.topk import TopKConfig, TopKDictionary
from mechlab.interventions.steering.parts import FeaturePart, VectorPart
from mechlab.interventions.steering.span import TokenSpan
from mechlab.interventions.steering.spec import SteerGate, SteerSpec, SteerStep
from mechlab.interventions.steering.steer_by import steer_by
from mechlab.models.huggingface import HuggingFaceModel
from mechlab.models.loaders import load

LAYER, SITE, N_PROMPT, N_NEW = 1, "resid_post.1", 5, 8
PROMPTS = token_rows(3, N_PROMPT)


def drawn(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def dictionary_of(seed: int = 0) -> ReluDictionary:
    made = ReluDictionary(ReluConfig(d_in=D_MODEL, d_sae=40, decoder_init_norm=1.3), seed=seed).double()
    with torch.no_grad():
        made.b_enc.copy_(drawn(seed + 1, 40) * 0.3)
        made.b_dec.copy_(drawn(seed + 2, D_MODEL) * 0.3)
    return made.requires_grad_(False)


V, W, ORIGIN, SAE = drawn(1, D_MODEL), drawn(2, D_MODEL), drawn(3, D_MODEL), dictionary_of()
SOURCES = {"v": V, "w": W, "origin": ORIGIN, "sae": SAE}
U = V / V.norm()


def code(h: torch.Tensor, feature: int) -> torch.Tensor:
    """The feature's code by the definition of a ReLU autoencoder."""
    return torch.relu((h - SAE.b_dec) @ SAE.W_enc[:, feature] + SAE.b_enc[feature])


def recoded(h: torch.Tensor, wanted: dict[int, Callable[[torch.Tensor], torch.Tensor]]) -> torch.Tensor:
    return h + sum((new(code(h, f)) - code(h, f)) * SAE.W_dec[f] for f, new in wanted.items())


def kept(change: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[torch.Tensor], torch.Tensor]:
    return lambda h: change(h) * h.norm() / change(h).norm()


def step(operation: str = "add", strength: float = 3.0, part=None, **how) -> SteerStep:
    return SteerStep(
        part=part or VectorPart(name="v"), operation=operation, strength=strength, **{"sites": (SITE,), **how}
    )


def feature(number: int) -> FeaturePart:
    return FeaturePart(dictionary="sae", feature=number)


def spec(*steps: SteerStep) -> SteerSpec:
    return SteerSpec(steps=steps)


CASES = {
    "add": (step(), lambda h: h + 3 * V),
    "ablate": (step("ablate", 1), lambda h: h - (h @ U) * U),
    "half ablated": (step("ablate", 0.5), lambda h: h - 0.5 * (h @ U) * U),
    "ablate_add": (step("ablate_add", -2), lambda h: h - (h @ U) * U - 2 * V),
    "project_clamp": (
        step("project_clamp", 4, origin="origin"),
        lambda h: h - ((h - ORIGIN) @ U) * U + 4 * V.norm() * U,
    ),
    "scale": (step("scale", 5), lambda h: h + 4 * (h @ U) * U),
    "add in mean norms": (step("add", 0.5, unit="mean_norm", unit_sizes=(7.0,)), lambda h: h + 3.5 * U),
    "clamp in dot products": (
        step("project_clamp", 2, unit="max_activation", unit_sizes=(3.0,)),
        lambda h: h - (h @ U) * U + 6 * U,
    ),
    "add, length kept": (step(keep_norm=True), kept(lambda h: h + 3 * V)),
    "scale, length kept": (step("scale", -4, keep_norm=True), kept(lambda h: h - 5 * (h @ U) * U)),
    "gated by a direction": (
        step(gate=SteerGate(part=VectorPart(name="w"), above=0.3)),
        lambda h: h + 3 * V if h @ W > 0.3 else h,
    ),
    "gated by a feature": (
        step("ablate_add", gate=SteerGate(part=feature(5), above=0.2)),
        lambda h: h - (h @ U) * U + 3 * V if code(h, 5) > 0.2 else h,
    ),
    "feature added": (
        step("add", 2, feature(7), unit="max_activation", unit_sizes=(1.5,)),
        lambda h: h + 3 * SAE.W_dec[7],
    ),
    "feature clamped": (step("clamp", 4, feature(7)), lambda h: recoded(h, {7: lambda a: 4.0})),
    "feature taken away": (step("clamp", 0, feature(7)), lambda h: recoded(h, {7: lambda a: 0.0})),
    "feature at least": (
        step("min_clamp", 2, feature(7), unit="max_activation", unit_sizes=(0.8,)),
        lambda h: recoded(h, {7: lambda a: max(a, 1.6)}),
    ),
    "feature scaled": (step("scale", 6, feature(7)), lambda h: recoded(h, {7: lambda a: 6 * a})),
    "feature clamped, length kept": (
        step("clamp", 4, feature(7), keep_norm=True),
        kept(lambda h: recoded(h, {7: lambda a: 4.0})),
    ),
}
ALWAYS = [name for name, (one, _) in CASES.items() if one.gate is None and one.operation not in ("min_clamp", "scale")]
"""Cases that change every token; gates may be closed, and features off, at the few tokens of a short span."""
SPANS = {
    "all": (TokenSpan(), lambda place, n: True),
    "prompt": (TokenSpan(within="prompt"), lambda place, n: place < n),
    "last_prompt": (TokenSpan(within="last_prompt"), lambda place, n: place == n - 1),
    "decoded": (TokenSpan(within="decoded"), lambda place, n: place >= n),
    "stretch": (TokenSpan(start=3, stop=7), lambda place, n: 3 <= place < 7),
    "window": (TokenSpan(within="decoded", start=1, stop=4), lambda place, n: n + 1 <= place < n + 4),
}


@pytest.fixture(scope="module", params=["gpt2", "llama", "neox_parallel"])
def model(request):
    return HuggingFaceModel(tiny(request.param).double())


def alike(found: torch.Tensor, expected: torch.Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("span", SPANS)
@pytest.mark.parametrize("case", CASES)
def test_generation_with_a_cache_is_what_everything_computed_again_gives(model, case, span):
    (one, change), (where, there) = CASES[case], SPANS[span]
    rules = [[Rule(LAYER, change, there)]] * 3
    steered = spec(SteerStep(**{**dict(one), "span": where}))
    expected = text_by_hand(model.module, PROMPTS, N_NEW, rules)
    with torch.no_grad(), steer_by(model, steered, SOURCES):
        assert torch.equal(model.generate(PROMPTS, N_NEW), expected)
        assert torch.equal(model.generate(PROMPTS, N_NEW, use_cache=False), expected)
    with torch.no_grad(), steer_by(model, steered, SOURCES, n_prompt=N_PROMPT):
        found = model.logits(expected)
    alike(found, logits_by_hand(model.module, expected, N_PROMPT, rules))
    if span == "all" or case in ALWAYS:
        assert not torch.allclose(found, model.logits(expected)), "this step changes the text"


def test_the_logits_of_every_cached_pass_are_those_of_everything_computed_again(model):
    steered = spec(
        step("ablate_add", 2, span=TokenSpan(within="decoded", start=1, stop=4)), step("clamp", 3, feature(7))
    )
    with torch.inference_mode(), steer_by(model, steered, SOURCES):
        cached, again = (model._placed(model.stepper(3, use_cache=cache), cache) for cache in (True, False))
        rows = token_rows(3, N_PROMPT + 6, seed=4)
        for length in range(N_PROMPT, rows.shape[1]):
            unseen = rows[:, :length] if length == N_PROMPT else rows[:, length - 1 : length]
            alike(cached(unseen), again(rows[:, :length]))


@pytest.mark.parametrize("use_cache", [True, False])
def test_every_decoded_token_is_steered_exactly_once(model, use_cache):
    """With a vector that only ever adds up, what stands at a site tells how often it was added there."""
    counts = []

    def look(value: torch.Tensor) -> torch.Tensor:
        counts.append(value[..., 0])
        return torch.zeros_like(value)

    one = torch.eye(D_MODEL, dtype=torch.float64)[0]
    with (
        model.edit({SITE: torch.zeros_like}),
        steer_by(model, spec(step(strength=1, span=TokenSpan(within="decoded"))), {"v": one}),
        model.edit({SITE: look}),
    ):
        model.generate(PROMPTS, N_NEW, use_cache=use_cache)
    seen = torch.cat(counts, 1) if use_cache else counts[-1]
    assert seen.tolist() == [[0.0] * N_PROMPT + [1.0] * (N_NEW - 1)] * 3


def test_steps_of_one_site_are_made_in_their_order(model):
    first, second = step("add", 2, VectorPart(name="w")), step("ablate", 1)
    for steps, change in (
        ((first, second), lambda h: (h + 2 * W) - ((h + 2 * W) @ U) * U),
        ((second, first), lambda h: h - (h @ U) * U + 2 * W),
    ):
        with torch.no_grad(), steer_by(model, spec(*steps), SOURCES):
            found = model.logits(PROMPTS)
        alike(found, logits_by_hand(model.module, PROMPTS, N_PROMPT, [[Rule(LAYER, change)]] * 3))


def test_features_of_one_dictionary_are_changed_in_one_encoding(model):
    """H + sum_f (a*_f - a_f(h)) d_f, which is decode(a*) - decode(a) beside the error."""
    steps = (step("clamp", 3, feature(7)), step("scale", 0, feature(9)), step("min_clamp", 2, feature(4)))
    new = {7: lambda a: 3.0, 9: lambda a: 0.0, 4: lambda a: max(a, 2.0)}
    rules = [[Rule(LAYER, lambda h: recoded(h, new))]] * 3
    with torch.no_grad(), steer_by(model, spec(*steps), SOURCES):
        found = model.logits(PROMPTS)
    alike(found, logits_by_hand(model.module, PROMPTS, N_PROMPT, rules))


def test_a_feature_changed_twice_is_encoded_twice(model):
    steps = (step("clamp", 3, feature(7)), step("scale", 2, feature(7)))
    rules = [
        [
            Rule(LAYER, lambda h: recoded(h, {7: lambda a: 3.0})),
            Rule(LAYER, lambda h: recoded(h, {7: lambda a: 2 * a})),
        ]
    ] * 3
    with torch.no_grad(), steer_by(model, spec(*steps), SOURCES):
        found = model.logits(PROMPTS)
    alike(found, logits_by_hand(model.module, PROMPTS, N_PROMPT, rules))


def test_several_sites_each_get_their_own_vector_and_length(model):
    """The closures of a published evaluation harness all saw the last site's vector."""
    one = step("add", 2, sites=("resid_post.0", "resid_post.2"), unit="mean_norm", unit_sizes=(3.0, 11.0))
    other = step("add", 1, VectorPart(name="w"), sites=("resid_post.1",))
    rules = [[Rule(0, lambda h: h + 6 * U), Rule(1, lambda h: h + W), Rule(2, lambda h: h + 22 * U)]] * 3
    with torch.no_grad(), steer_by(model, spec(one, other), SOURCES):
        found = model.logits(PROMPTS)
    alike(found, logits_by_hand(model.module, PROMPTS, N_PROMPT, rules))


def test_a_site_may_have_several_features_at_once(model):
    """The table of a published evaluation harness kept one feature for each hook point."""
    steps = [step("add", 2, feature(n)) for n in (3, 8)]
    rules = [[Rule(LAYER, lambda h: h + 2 * SAE.W_dec[3] + 2 * SAE.W_dec[8])]] * 3
    with torch.no_grad(), steer_by(model, spec(*steps), SOURCES):
        found = model.logits(PROMPTS)
    alike(found, logits_by_hand(model.module, PROMPTS, N_PROMPT, rules))


def test_a_kind_without_a_layer_is_every_layer(model):
    rules = [[Rule(layer, lambda h: h - (h @ U) * U) for layer in range(3)]] * 3
    with torch.no_grad(), steer_by(model, spec(step("ablate", 1, sites=("resid_post",))), SOURCES):
        found = model.logits(PROMPTS)
    alike(found, logits_by_hand(model.module, PROMPTS, N_PROMPT, rules))


ROWS = [
    spec(step("add", 2), step("clamp", 4, feature(7))),
    None,
    spec(step("clamp", 1, feature(3)), step("add", -1, VectorPart(name="w"))),
    spec(step("add", 2, gate=SteerGate(part=VectorPart(name="w"))), step("ablate", 1)),
    spec(step("add", 3, gate=SteerGate(part=VectorPart(name="v"), above=0.5)), step("scale", 3, VectorPart(name="w"))),
    spec(step("ablate", 1, gate=SteerGate(part=feature(5), above=0.1))),
    spec(step("scale", 3, gate=SteerGate(part=feature(6), above=0.1), span=TokenSpan(within="decoded"))),
    spec(step("clamp", 3, feature(7), keep_norm=True), step("clamp", 2, feature(8), keep_norm=True)),
    spec(step("add", 2, sites=("resid_post.0",), span=TokenSpan(within="last_prompt"))),
]


def test_each_row_of_a_batch_may_be_steered_by_its_own_spec(model):
    prompts = token_rows(len(ROWS), N_PROMPT, seed=2)
    with torch.no_grad(), steer_by(model, ROWS, SOURCES):
        text = model.generate(prompts, N_NEW)
    with torch.no_grad(), steer_by(model, ROWS, SOURCES, n_prompt=N_PROMPT):
        logits = model.logits(text)
    for number, own in enumerate(ROWS):
        with torch.no_grad(), steer_by(model, own or spec(), SOURCES):
            alone = model.generate(prompts[number : number + 1], N_NEW)
        with torch.no_grad(), steer_by(model, own or spec(), SOURCES, n_prompt=N_PROMPT):
            alike(logits[number : number + 1], model.logits(alone))
        assert torch.equal(text[number : number + 1], alone), number


def test_rows_may_differ_in_strength_alone_and_then_are_one_stage(model):
    strengths = [0.0, 1.0, -2.5]
    with torch.no_grad(), steer_by(model, [spec(step(strength=1)).times(one) for one in strengths], SOURCES):
        found = model.logits(PROMPTS)
    rules = [[Rule(LAYER, lambda h, s=s: h + s * V)] for s in strengths]
    alike(found, logits_by_hand(model.module, PROMPTS, N_PROMPT, rules))


def test_a_row_that_is_left_alone_is_bit_for_bit_the_unsteered_one(model):
    clean = model.logits(PROMPTS)
    with torch.no_grad(), steer_by(model, [None, *ROWS[6:8]], SOURCES):
        assert torch.equal(model.logits(PROMPTS)[0], clean[0])
    with torch.no_grad(), steer_by(model, [ROWS[0], None, ROWS[4]], SOURCES):
        assert torch.equal(model.logits(PROMPTS)[1], clean[1])


NOTHING = {
    "no step": spec(),
    "added 0 times": spec(step(strength=0)),
    "none of it ablated": spec(step("ablate", 0)),
    "part as it is": spec(step("scale", 1)),
    "code as it is": spec(step("scale", 1, feature(3))),
    "at least none": spec(step("min_clamp", 0, feature(3))),
    "added 0 times, length kept": spec(step(strength=0, keep_norm=True, unit="mean_norm", unit_sizes=(3.0,))),
}


@pytest.mark.parametrize("name", NOTHING)
def test_what_changes_nothing_registers_no_hook_at_all(model, name):
    clean = model.logits(PROMPTS)
    for given in (NOTHING[name], [NOTHING[name], None, NOTHING[name]]):
        with steer_by(model, given, SOURCES):
            assert not model.in_use
            assert not any(one._forward_hooks or one._forward_pre_hooks for one in model.module.modules())
            assert torch.equal(model.logits(PROMPTS), clean)


BITWISE = {
    "no feature above its floor": step("min_clamp", 1e-300, feature(3), span=TokenSpan(within="decoded")),
    "gate never open": step("ablate_add", 5, gate=SteerGate(part=VectorPart(name="w"), above=1e9), keep_norm=True),
    "codes scaled where they are off": step("scale", 4, feature(3), gate=SteerGate(part=feature(3), above=1e9)),
}


@pytest.mark.parametrize("name", BITWISE)
def test_what_happens_nowhere_leaves_every_bit(model, name):
    clean = model.logits(PROMPTS)
    with steer_by(model, spec(BITWISE[name]), SOURCES):
        assert model.in_use and torch.equal(model.logits(PROMPTS), clean)


def test_the_model_is_as_it_was_behind_the_context(model):
    clean = model.logits(PROMPTS)
    with pytest.raises(RuntimeError, match="inside"), steer_by(model, spec(step()), SOURCES):
        raise RuntimeError("inside")
    assert not model.in_use and torch.equal(model.logits(PROMPTS), clean)


def test_a_gate_may_read_an_earlier_site_as_the_pass_goes_on_from_there(model):
    first = step("add", 0.2, VectorPart(name="w"), sites=("resid_post.0",))
    with torch.no_grad(), steer_by(model, spec(first), SOURCES), model.read("resid_post.0") as seen:
        model.logits(PROMPTS)
        middle = float((seen["resid_post.0"] @ V).mean())
    gate = SteerGate(part=VectorPart(name="v"), above=middle, site="resid_post.0")
    gated = step("add", 3, sites=("resid_post.2",), gate=gate)
    with torch.no_grad(), steer_by(model, spec(first, gated), SOURCES):
        text = model.generate(PROMPTS, N_NEW)
        with model.read("resid_post.0") as seen:
            found = model.logits(PROMPTS)
            kept = seen["resid_post.0"].clone()
    assert 0 < (kept @ V > middle).sum() < kept[..., 0].numel()
    by_hand = model.edit({"resid_post.2": lambda h: h + 3 * V * (kept @ V > middle)[..., None]})
    with torch.no_grad(), steer_by(model, spec(first), SOURCES), by_hand:
        alike(found, model.logits(PROMPTS))
    with torch.no_grad(), steer_by(model, spec(first, gated), SOURCES):
        assert torch.equal(model.generate(PROMPTS, N_NEW, use_cache=False), text)


def test_it_is_the_same_on_a_model_of_another_library():
    module = tiny("gpt2")
    own, lens = load(copy.deepcopy(module), device="cpu"), load(hooked_transformer(module))
    steered = [
        spec(step("ablate_add", 2), step("clamp", 3, feature(7), span=TokenSpan(within="decoded"))),
        None,
        ROWS[7],
    ]
    texts = []
    for model in (own, lens):
        with torch.no_grad(), steer_by(model, steered, SOURCES):
            texts.append(model.generate(PROMPTS, N_NEW))
    assert torch.equal(*texts)


def test_codes_that_compete_are_encoded_together(model):
    topk = TopKDictionary(TopKConfig(d_in=D_MODEL, d_sae=40, k=4), seed=3).double().requires_grad_(False)
    with torch.no_grad(), model.read(SITE) as seen:
        model.logits(PROMPTS)
        h = seen[SITE].clone()
    codes = topk.encode(h)
    number = int(codes.sum((0, 1)).argmax())
    more = codes.clone()
    more[..., number] = 5.0
    clamped = steer_by(model, spec(step("clamp", 5, feature(number))), {"sae": topk})
    with torch.no_grad(), clamped, model.read(SITE) as seen:
        model.logits(PROMPTS)
    alike(seen[SITE], h + topk.decode(more) - topk.decode(codes))


def test_another_batch_than_there_are_specs_is_refused_and_so_is_none():
    model = load(tiny("gpt2"), device="cpu")
    two = steer_by(model, [spec(step())] * 2, SOURCES)
    with pytest.raises(UsageError, match="specs do not fit the batch: '2 for 3 rows'"), two:
        model.generate(PROMPTS, 2)
    with pytest.raises(UsageError, match="there is no spec"):
        steer_by(model, [], SOURCES)


def test_gradients_reach_a_direction_that_is_learned():
    model, learned = load(tiny("gpt2"), device="cpu"), V.float().requires_grad_(True)
    with steer_by(model, spec(step("ablate_add", 2, span=TokenSpan(within="last_prompt"))), {"v": learned}):
        model.logits(PROMPTS)[:, -1, 3].sum().backward()
    assert learned.grad is not None and bool(learned.grad.abs().max() > 0)
