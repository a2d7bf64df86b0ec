"""Steered weights do by themselves, in Hugging Face's own classes too, what a spec does in passes."""

import pytest
import torch
import transformers as hf
from oracles.tiny_models import D_MODEL, tiny, token_rows

from mechlab.core.errors import UsageError
from mechlab.dictionaries.relu import ReluConfig, ReluDictionary
from mechlab.interventions.steering.parts import CodePart, FeaturePart, VectorPart
from mechlab.interventions.steering.span import TokenSpan
from mechlab.interventions.steering.spec import SteerGate, SteerSpec, SteerStep
from mechlab.interventions.steering.steer_by import steer_by
from mechlab.interventions.steering.steered_weights import steered_weights
from mechlab.models.huggingface import HuggingFaceModel
from mechlab.models.loaders import load
from mechlab.models.saving import save_model

TOKENS = token_rows(3, 9)
FAMILIES = ("gpt2", "neox_parallel", "neox_sequential", "llama", "qwen3")


def drawn(seed: int) -> torch.Tensor:
    return torch.randn(D_MODEL, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


SAE = ReluDictionary(ReluConfig(d_in=D_MODEL, d_sae=40, decoder_init_norm=1.3)).double().requires_grad_(False)
SOURCES = {"v": drawn(1), "w": drawn(2), "origin": drawn(3), "sae": SAE}


def step(operation: str, strength: float, *sites: str, part=None, **how) -> SteerStep:
    return SteerStep(part=part or VectorPart(name="v"), operation=operation, strength=strength, sites=sites, **how)


CASES = {
    "added to the stream": [
        step("add", 2, "resid_pre.0"),
        step("add", -1, "resid_pre.1"),
        step("add", 3, "resid_post"),
    ],
    "added to what is written": [step("add", 2, "attn_out.0"), step("add", -1, "mlp_out"), step("add", 3, "head.1.2")],
    "ablated": [step("ablate", 1, "resid_pre.0", "attn_out", "mlp_out")],
    "half ablated at a head, then set behind": [
        step("project_clamp", 2, "attn_out.1", part=VectorPart(name="w"), origin="origin"),
        step("ablate", 0.5, "head.1.3"),
    ],
    "scaled, then added, in the order of the pass": [
        step("add", 2, "resid_post.1"),
        step("add", 1.5, "mlp_out.1", part=VectorPart(name="w")),
        step("scale", 3, "mlp_out.1", part=VectorPart(name="v")),
        step("ablate_add", 4, "attn_out.0", unit="mean_norm", unit_sizes=(0.7,)),
    ],
    "embeddings": [step("scale", -1, "embed"), step("add", 0.5, "embed", part=VectorPart(name="w"))],
    "a feature": [step("add", 2, "resid_post.0", part=FeaturePart(dictionary="sae", feature=7))],
}


@pytest.fixture(scope="module", params=FAMILIES)
def model(request: pytest.FixtureRequest) -> HuggingFaceModel:
    return HuggingFaceModel(tiny(request.param).double())


def refused(model: HuggingFaceModel, *steps: SteerStep, match: str) -> None:
    with pytest.raises(UsageError, match=match):
        steered_weights(model, SteerSpec(steps=steps), SOURCES)


@pytest.mark.parametrize("case", CASES)
def test_every_pass_of_the_copy_is_the_steered_pass_and_the_model_itself_stays(
    model: HuggingFaceModel, case: str
) -> None:
    before, spec = model.logits(TOKENS), SteerSpec(steps=tuple(CASES[case]))
    with steer_by(model, spec, SOURCES):
        wanted = model.logits(TOKENS)
    own = steered_weights(model, spec, SOURCES)
    assert torch.allclose(own.logits(TOKENS), wanted, atol=1e-9, rtol=1e-9)
    assert not torch.allclose(wanted, before, atol=1e-2)
    assert torch.equal(model.logits(TOKENS), before) and not model.processing
    assert own.processing[-1].startswith("steered") and own.fingerprint != model.fingerprint


def test_a_direction_ablated_from_all_that_writes_is_nowhere_in_the_stream(model: HuggingFaceModel) -> None:
    spec = SteerSpec(steps=tuple(CASES["ablated"]))
    sites = ["resid_pre.0", "resid_pre.1", "resid_post.0", "resid_post.1"]
    own, along = steered_weights(model, spec, SOURCES), SOURCES["v"] / SOURCES["v"].norm()
    for name, stream in own.activations(TOKENS, sites).items():
        assert float((stream @ along).abs().max()) < 1e-10, name
        assert float((model.activations(TOKENS, [name])[name] @ along).abs().max()) > 1e-3


@pytest.mark.parametrize("case", ["added to the stream", "ablated", "embeddings"])
def test_another_library_reads_the_copy_and_says_the_same(case: str, tmp_path) -> None:
    model = HuggingFaceModel(tiny("gpt2"))
    own = steered_weights(model, SteerSpec(steps=tuple(CASES[case])), {"v": drawn(1).float(), "w": drawn(2).float()})
    save_model(own, tmp_path / "steered")
    theirs = hf.AutoModelForCausalLM.from_pretrained(tmp_path / "steered").eval()
    wanted = own.logits(TOKENS)
    assert torch.allclose(theirs(TOKENS).logits, wanted, atol=1e-5)
    assert torch.allclose(load(tmp_path / "steered").logits(TOKENS), wanted, atol=1e-5)


def test_a_bias_that_a_class_does_not_have_cannot_be_saved(tmp_path) -> None:
    own = steered_weights(HuggingFaceModel(tiny("llama").double()), SteerSpec(steps=(CASES["a feature"][0],)), SOURCES)
    with pytest.raises(UsageError, match="another one"):
        save_model(own, tmp_path / "steered")
    assert not (tmp_path / "steered").exists()


def test_an_unembedding_stays_what_it_was_and_positions_take_what_is_added_to_both() -> None:
    model = HuggingFaceModel(tiny("gpt2").double())
    assert model.module.lm_head.weight is model.module.transformer.wte.weight
    own = steered_weights(model, SteerSpec(steps=(step("ablate", 1, "embed"),)), SOURCES)
    assert torch.equal(own.module.lm_head.weight, model.module.lm_head.weight)
    added = steered_weights(model, SteerSpec(steps=(step("add", 1, "resid_pre.0"),)), SOURCES)
    assert added.module.lm_head.weight is added.module.transformer.wte.weight
    assert added.module.config.tie_word_embeddings and not own.module.config.tie_word_embeddings
    assert model.module.config.tie_word_embeddings


def test_embeddings_that_are_scaled_behind_their_matrix_are_steered_behind_it() -> None:
    model = HuggingFaceModel(tiny("gemma2").double())
    spec = SteerSpec(steps=(step("scale", 2, "resid_pre.0"), step("add", 2, "resid_pre.0", part=VectorPart(name="w"))))
    with steer_by(model, spec, SOURCES):
        wanted = model.logits(TOKENS)
    # The model holds its factor in float32.
    assert torch.allclose(steered_weights(model, spec, SOURCES).logits(TOKENS), wanted, atol=1e-6)
    refused(model, step("add", 1, "resid_post.0"), match="norm stands between")


def test_what_depends_on_the_token_or_has_no_weight_is_refused_in_one_line(model: HuggingFaceModel) -> None:
    feature = FeaturePart(dictionary="sae", feature=7)
    gate = SteerGate(part=VectorPart(name="w"), above=0.0)
    refused(model, step("add", 1, "resid_post.0", gate=gate), match="a gate or a span depends on the token")
    refused(model, step("add", 1, "resid_post.0", span=TokenSpan(start=1)), match="a gate or a span")
    refused(model, step("add", 1, "resid_post.0", keep_norm=True), match="depends on what was there")
    refused(model, step("clamp", 1, "resid_post.0", part=feature), match="depends on what was there")
    refused(model, step("ablate", 1, "resid_post.0"), match="alone.*resid_post.0.*Name embed")
    refused(model, step("ablate", 1, "resid_pre.1"), match="alone")
    refused(model, step("add", 1, "ln_final_normalized"), match="nothing is written to the stream there")
    code = SteerStep(part=CodePart(code=1), operation="activate", strength=1, sites=("mlp_out.0",))
    refused(model, code, match="a code is chosen token by token")
    with model.edit({"resid_post.0": lambda h: h}):
        refused(model, step("add", 1, "resid_post.0"), match="open edit")


def test_strength_0_leaves_every_weight_as_it_is(model: HuggingFaceModel) -> None:
    own = steered_weights(model, SteerSpec(steps=(step("add", 0, "embed"), step("scale", 1, "mlp_out"))), SOURCES)
    ours, theirs = own.module.state_dict(), model.module.state_dict()
    assert ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)
