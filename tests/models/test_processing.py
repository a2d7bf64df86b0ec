"""Processing changes weights as TransformerLens does, keeps every probability, and never touches the user's model."""

import copy

import pytest
import torch
from oracles.tiny_models import FAMILIES, hooked_transformer, tiny, token_rows

from mechlab.core.errors import UsageError
from mechlab.models.huggingface import HuggingFaceModel
from mechlab.models.processing import STEPS, processed

STACKED = ["W_Q", "W_K", "W_V", "W_O", "b_Q", "b_K", "b_V", "b_O", "W_in", "W_gate", "W_out", "b_in", "b_out"]
REFERENCE_NAMES = {
    "fold_norm": "fold_ln",
    "center_writing": "center_writing_weights",
    "center_unembed": "center_unembed",
    "fold_value_biases": "fold_value_biases",
}
CHOICES = [dict.fromkeys(STEPS, True)] + [dict.fromkeys(STEPS, False) | {step: True} for step in STEPS]


def _applied(model: HuggingFaceModel) -> list[str]:
    return [name for name in model.processing if name in STEPS]


@pytest.mark.parametrize("family", FAMILIES)
def test_each_step_and_all_together_keep_the_log_probabilities(family: str) -> None:
    model = HuggingFaceModel(tiny(family))
    expected = model.logits(token_rows()).log_softmax(-1)
    for choice in CHOICES:
        found = processed(model, **choice).logits(token_rows()).log_softmax(-1)
        torch.testing.assert_close(found, expected, atol=1e-4, rtol=0, msg=str(choice))


@pytest.mark.parametrize("family", FAMILIES)
def test_each_step_and_all_together_give_the_weights_of_transformerlens(family: str) -> None:
    module = tiny(family)
    for choice in CHOICES:
        ours = processed(HuggingFaceModel(module), **choice)
        flags = {REFERENCE_NAMES[name]: name in _applied(ours) for name in STEPS}
        reference = hooked_transformer(module, **flags)
        names = [name for name in STACKED if name != "W_gate" or reference.cfg.gated_mlp] + ["W_E", "W_U", "b_U"]
        for name in names + ["W_pos"] * (family == "gpt2"):
            found, expected = getattr(ours.weights(), name), getattr(reference, name)
            torch.testing.assert_close(found, expected, atol=2e-6, rtol=1e-6, msg=f"{name} {choice}")


@pytest.mark.parametrize("family", FAMILIES)
def test_activations_of_the_processed_model_are_those_of_transformerlens(family: str) -> None:
    module = tiny(family)
    ours = processed(HuggingFaceModel(module))
    flags = {REFERENCE_NAMES[name]: name in _applied(ours) for name in STEPS}
    sites = ["resid_post.0", "resid_post.2", "attn_out.1", "mlp_out.1", "z.1", "pattern.2", "mlp_post.2"]
    _, cache = hooked_transformer(module, **flags).run_with_cache(token_rows())
    for name, value in ours.activations(token_rows(), sites).items():
        hook = name.replace("mlp_post", "post")
        torch.testing.assert_close(value, cache[_hook_name(hook)], atol=2e-5, rtol=0, msg=name)


def _hook_name(name: str) -> str:
    kind, layer = name.split(".")
    inside = {"z": "attn.", "pattern": "attn.", "post": "mlp."}.get(kind, "")
    return f"blocks.{layer}.{inside}hook_{kind}"


@pytest.mark.parametrize("family", FAMILIES)
def test_without_centring_the_unembedding_the_logits_stay_the_same(family: str) -> None:
    model = HuggingFaceModel(tiny(family))
    found = processed(model, center_unembed=False).logits(token_rows())
    torch.testing.assert_close(found, model.logits(token_rows()), atol=1e-4, rtol=0)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("tied", [False, True])
def test_the_users_model_keeps_every_bit(family: str, tied: bool) -> None:
    module = tiny(family)
    if tied:
        module.set_output_embeddings(module.get_output_embeddings())
        module.get_output_embeddings().weight = module.get_input_embeddings().weight
    before, names = copy.deepcopy(module.state_dict()), [name for name, _ in module.named_parameters()]
    model = HuggingFaceModel(module)
    expected = model.logits(token_rows()).log_softmax(-1)
    torch.testing.assert_close(processed(model).logits(token_rows()).log_softmax(-1), expected, atol=1e-4, rtol=0)
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert [name for name, _ in module.named_parameters()] == names
    same = module.get_output_embeddings().weight is module.get_input_embeddings().weight
    assert same == (tied or family in ("gpt2", "gemma2"))


def test_the_record_names_what_was_done_in_order() -> None:
    assert processed(HuggingFaceModel(tiny("gpt2"))).processing == tuple(STEPS)
    assert processed(HuggingFaceModel(tiny("gpt2")), fold_norm=False, center_unembed=False).processing == (
        "center_writing",
        "fold_value_biases",
    )


def test_a_step_the_architecture_does_not_allow_is_recorded_as_skipped() -> None:
    assert processed(HuggingFaceModel(tiny("gemma2"))).processing == (
        "fold_norm",
        "center_writing skipped: RMSNorm sees the mean",
        "center_unembed skipped: the soft cap on logits sees their mean",
        "fold_value_biases skipped: no value biases",
    )


@pytest.mark.parametrize("family", FAMILIES)
def test_folded_norms_have_gain_one_and_bias_zero(family: str) -> None:
    weights = processed(HuggingFaceModel(tiny(family))).weights()
    gains = [weights.ln_final_w] + [gain for layer in weights.layers for gain in (layer.ln1_w, layer.ln2_w)]
    biases = [weights.ln_final_b] + [bias for layer in weights.layers for bias in (layer.ln1_b, layer.ln2_b)]
    assert all((gain == 1).all() for gain in gains)
    assert not any(bias.any() for bias in biases)


@pytest.mark.parametrize("step", STEPS)
def test_each_step_changes_the_fingerprint(step: str) -> None:
    model = HuggingFaceModel(tiny("gpt2"))
    only = dict.fromkeys(STEPS, False) | {step: True}
    assert processed(model, **only).fingerprint != model.fingerprint


def test_processing_twice_is_refused() -> None:
    once = processed(HuggingFaceModel(tiny("gpt2")))
    with pytest.raises(UsageError, match=r"processed already: 'fold_norm, .*Pass the original"):
        processed(once)


def test_processing_under_an_open_edit_is_refused_for_the_copy_would_keep_the_edit() -> None:
    model = HuggingFaceModel(tiny("gpt2"))
    with model.edit({"resid_post.1": torch.zeros_like}), pytest.raises(UsageError, match="open"):
        processed(model)
    with model.edit({"pattern.1": torch.zeros_like}), pytest.raises(UsageError, match="open"):
        processed(model)
    processed(model)
