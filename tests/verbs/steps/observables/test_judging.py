"""How lengths rank what heads do: the kinds of effect, and the null of observables drawn at random."""

import pytest
import torch
from scipy import stats

import mechlab
from mechlab.core.config import build
from mechlab.core.errors import UsageError
from mechlab.verbs.observe_options import ObserveOptions
from mechlab.verbs.steps.observables.judging import (
    asked_prompts,
    drawn_agreements,
    drawn_observables,
    judged,
    style_of,
)


@pytest.fixture(scope="module")
def own(model):
    return mechlab.load(str(model), device="cpu")


@pytest.fixture(scope="module")
def observable(own):
    return mechlab.word_difference(own.tokenizer, "she", "he")


def options(**values) -> ObserveOptions:
    small = {"words": "she", "task": "ioi", "prompts": 10, "style": "tales", "draws": 12}
    return build(ObserveOptions, {**small, **values})


def test_prompts_are_worded_as_the_model_was_taught():
    assert [style_of(options(style=None, model=name)) for name in ("tales", "gpt2")] == ["tales", "plain"]
    assert style_of(options(style="plain", model="tales")) == "plain"


@pytest.mark.parametrize("effect", ["real", "frozen", "recomputed"])
def test_each_kind_of_effect_is_that_of_ov_patching(own, observable, effect):
    config = options(effect=effect)
    batches, lengths = asked_prompts(config, own), torch.tensor([3.0, 1.0, 2.0, 5.0], dtype=torch.float64)
    found = judged(config, own, observable, lengths, batches)
    wanted = getattr(mechlab.ov_patching(own, batches, observable, recomputed=True), effect).values
    torch.testing.assert_close(found.scores, wanted)
    ranked = stats.spearmanr(lengths, wanted.abs().mean(0)).statistic
    assert found.metrics["spearman"].value == pytest.approx(ranked)
    torch.testing.assert_close(found.columns()["effect"], wanted.mean(0))


def test_p_is_how_many_drawn_observables_do_as_well(own, observable, monkeypatch):
    config = options()
    batches, module = asked_prompts(config, own), "mechlab.verbs.steps.observables.judging.drawn_agreements"
    lengths = torch.tensor([3.0, 1.0, 2.0, 5.0], dtype=torch.float64)
    value = judged(config, own, observable, lengths, batches).metrics["spearman"].value
    monkeypatch.setattr(module, lambda *_: [value, value - 0.1, value + 0.1, -1.0])
    found = judged(config, own, observable, lengths, batches).metrics
    assert found["random_p"] == pytest.approx(3 / 5) and found["random_spearman"].n == 4
    assert found["random_spearman"].value == pytest.approx((3 * value - 1) / 4)


def test_observables_are_drawn_from_text_with_the_same_weights(own, observable):
    drawn = drawn_observables(own, observable, 200, torch.Generator().manual_seed(0))
    assert {one.weights for one in drawn} == {(1.0, -1.0)}
    tokens = {token for one in drawn for token in one.tokens}
    assert not tokens & own.tokenizer.special_ids and len(tokens) > 150
    assert len({one.tokens for one in drawn}) > 190
    everything = mechlab.token_set(range(own.spec.d_vocab))
    with pytest.raises(UsageError, match="too few tokens to draw"):
        drawn_observables(own, everything, 1, torch.Generator())


def test_drawn_lengths_rank_this_observables_effects_by_the_norms_asked_for(model, observable):
    own = mechlab.load(str(model), device="cpu")
    with torch.no_grad():  # gains of one would make both ways alike
        for name, gain in own.module.named_parameters():
            if ".ln_" in name and name.endswith("weight"):
                gain.mul_(torch.rand(gain.shape, generator=torch.Generator().manual_seed(len(name))) ** 4)
    scores = mechlab.ov_patching(own, asked_prompts(options(), own), observable).real.values
    for norms in ("cheap", "skip"):
        config = options(norms=norms)
        found = drawn_agreements(config, own, observable, scores)
        draw = mechlab.core.randomness.torch_generator(0, "observables drawn")
        rules = mechlab.NormRules.all(norms)
        wanted = [
            stats.spearmanr(mechlab.head_lengths(own, one, rules).flatten(), scores.abs().mean(0)).statistic
            for one in drawn_observables(own, observable, 12, draw)
        ]
        assert found == pytest.approx(wanted)
    assert drawn_agreements(options(seed=1), own, observable, scores) != found


def test_without_a_task_there_are_no_prompts(own):
    assert asked_prompts(build(ObserveOptions, {"words": "she"}), own) == ()


def test_the_observable_is_told_after_both_prompts(own, observable):
    config = options()
    batches = asked_prompts(config, own)
    found = judged(config, own, observable, torch.arange(4).double(), batches).metrics
    for name in ("clean", "corrupted"):
        logits = torch.cat([own.logits(getattr(pairs, name))[:, -1] for pairs in batches]).detach()
        she, he = observable.tokens
        assert found[f"observable_{name}"].value == pytest.approx(
            float((logits[:, she] - logits[:, he]).mean()), abs=1e-5
        )
