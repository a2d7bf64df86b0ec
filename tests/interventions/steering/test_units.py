"""Sizes of units are what the unsteered model's activations on the text say, by hand."""

import pytest
import torch
from oracles.tiny_models import D_MODEL, tiny, token_rows

from mechlab.core.errors import UsageError
from mechlab.corpora.rows import TokenRows
from mechlab.dictionaries.relu import ReluConfig, ReluDictionary
from mechlab.interventions.steering.parts import FeaturePart, VectorPart
from mechlab.interventions.steering.spec import SteerSpec, SteerStep
from mechlab.interventions.steering.steer_by import steer_by
from mechlab.interventions.steering.units import measured
from mechlab.models.loaders import load

MODEL = load(tiny("gpt2"), device="cpu")
TOKENS = token_rows(7, 9)
SPECIAL = torch.zeros(7, 9, dtype=torch.bool)
SPECIAL[:, 0] = True
ROWS = TokenRows(TOKENS.int(), SPECIAL, "0")
V = 3 * torch.randn(D_MODEL, generator=torch.Generator().manual_seed(0))
SAE = ReluDictionary(ReluConfig(d_in=D_MODEL, d_sae=12), seed=2).requires_grad_(False)
SOURCES = {"v": V, "sae": SAE}
SEEN = MODEL.activations(TOKENS, ["resid_post.0", "resid_post.1"])


def sizes(part, sites=("resid_post.1",), **values) -> tuple[float, ...]:
    step = SteerStep(part=part, sites=sites, **values)
    return measured(MODEL, SteerSpec(steps=(step,)), ROWS, SOURCES, batch_rows=3).steps[0].unit_sizes


def test_mean_norms_are_those_of_each_site_special_tokens_left_out():
    found = sizes(VectorPart(name="v"), ("resid_post.0", "resid_post.1"), unit="mean_norm")
    expected = [SEEN[f"resid_post.{layer}"][:, 1:].norm(dim=-1).double().mean().item() for layer in (0, 1)]
    assert found == pytest.approx(expected, rel=1e-6)


def test_the_largest_activation_is_a_code_or_a_dot_product():
    h = SEEN["resid_post.1"][:, 1:]
    part = FeaturePart(dictionary="sae", feature=5)
    for operation in ("add", "clamp", "min_clamp"):
        found = sizes(part, operation=operation, unit="max_activation")
        assert found == pytest.approx([SAE.encode(h)[..., 5].max().item()], rel=1e-6)
    found = sizes(VectorPart(name="v"), unit="max_activation")
    assert found == pytest.approx([(h @ V / V.norm()).max().item()], rel=1e-5)


def test_a_spec_that_is_measured_holds_all_it_needs_and_all_else_as_it_was():
    step = SteerStep(part=VectorPart(name="v"), sites=("resid_post",), unit="mean_norm", strength=0.5)
    own = SteerStep(part=VectorPart(name="v"), sites=("resid_post.1",))
    spec = SteerSpec(steps=(step, own), model=MODEL.fingerprint)
    found = measured(MODEL, spec, ROWS, SOURCES)
    assert found.steps[1] == own and found.model == spec.model and found.times(2).steps[0].strength == 1.0
    assert len(found.steps[0].unit_sizes) == MODEL.spec.n_layers
    with torch.no_grad(), steer_by(MODEL, SteerSpec.from_json(found.to_json()), SOURCES):
        assert not torch.allclose(MODEL.logits(TOKENS), MODEL.logits(TOKENS) * 0)
    assert measured(MODEL, found, ROWS, SOURCES) == found


def test_few_rows_are_spread_over_the_text():
    step = SteerStep(part=VectorPart(name="v"), sites=("resid_post.1",), unit="mean_norm")
    (found,) = measured(MODEL, SteerSpec(steps=(step,)), ROWS, SOURCES, n_rows=3).steps[0].unit_sizes
    assert found == pytest.approx(SEEN["resid_post.1"][[0, 3, 6], 1:].norm(dim=-1).mean().item(), rel=1e-6)


def test_a_feature_that_is_never_on_has_no_largest_activation():
    off = ReluDictionary(ReluConfig(d_in=D_MODEL, d_sae=12), seed=2).requires_grad_(False)
    off.b_enc.fill_(-1e3)
    step = SteerStep(
        part=FeaturePart(dictionary="sae", feature=5), operation="clamp", sites=("resid_post.1",), unit="max_activation"
    )
    with pytest.raises(UsageError, match=r"max_activation is not above zero at resid_post.1: 0\.0"):
        measured(MODEL, SteerSpec(steps=(step,)), ROWS, {"sae": off})
