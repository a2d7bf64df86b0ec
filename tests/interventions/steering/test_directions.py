"""Directions of components and codes are what weights and decoding say, and what does not fit is refused."""

import copy

import pytest
import torch
from oracles.tiny_models import tiny, token_rows

from mechlab.core.errors import UsageError
from mechlab.dictionaries.codebook import Codebook, CodebookConfig
from mechlab.interventions.codebook_model import CodebookModel
from mechlab.interventions.component_edit import ComponentEdit
from mechlab.interventions.component_weights import with_components
from mechlab.interventions.steering.directions import (
    aim_of_code,
    aim_of_component,
    codebooks_of,
    named_direction,
)
from mechlab.interventions.steering.parts import CodePart, ComponentPart
from mechlab.interventions.steering.spec import SteerSpec, SteerStep
from mechlab.interventions.steering.steer_by import steer_by
from mechlab.models.huggingface import HuggingFaceModel
from mechlab.models.processing import processed

PROMPTS = token_rows(2, 6)


def unit(seed: int) -> torch.Tensor:
    drawn = torch.randn(32, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return drawn / drawn.norm()


@pytest.fixture(scope="module")
def folded():
    return processed(HuggingFaceModel(tiny("gpt2").double()))


@pytest.mark.parametrize("circuit", ["ov", "qk"])
@pytest.mark.parametrize(("operation", "strength", "factor", "constant"), [
    ("scale", -2.0, -2.0, 0.0),
    ("ablate", 1.0, 0.0, 0.0),
    ("project_clamp", 3.0, 0.0, 3.0),
    ("add", 1.5, 1.0, 1.5),
])  # fmt: skip
def test_a_component_is_steered_as_if_the_weights_were_others(folded, circuit, operation, strength, factor, constant):
    """The oracle is the model whose weights have the component so edited: no hook at all."""
    by_weights = with_components(folded, [ComponentEdit(circuit, 1, 2, unit(3), factor, constant)])
    part = ComponentPart(circuit=circuit, layer=1, head=2, name="u")
    spec = SteerSpec(steps=(SteerStep(part=part, operation=operation, strength=strength),))
    with torch.no_grad(), steer_by(folded, spec, {"u": unit(3)}):
        found, text = folded.logits(PROMPTS), folded.generate(PROMPTS, 8)
    torch.testing.assert_close(found, by_weights.logits(PROMPTS), rtol=0, atol=1e-8)
    assert torch.equal(text, by_weights.generate(PROMPTS, 8))
    assert not torch.allclose(found, folded.logits(PROMPTS))


def test_rows_may_have_different_heads_steered(folded):
    parts = [ComponentPart(circuit="qk", layer=1, head=head, name=name) for head, name in ((2, "u"), (0, "w"))]
    specs = [SteerSpec(steps=(SteerStep(part=part, operation="scale", strength=4),)) for part in parts]
    sources = {"u": unit(3), "w": unit(4)}
    with torch.no_grad(), steer_by(folded, specs, sources):
        together = folded.logits(PROMPTS)
    for number, spec in enumerate(specs):
        with torch.no_grad(), steer_by(folded, spec, sources):
            alone = folded.logits(PROMPTS[number : number + 1])
        torch.testing.assert_close(together[number : number + 1], alone, rtol=0, atol=1e-9)


def test_queries_behind_a_norm_that_is_not_folded_are_refused():
    model = HuggingFaceModel(tiny("gpt2"))
    part = ComponentPart(circuit="qk", layer=1, head=2, name="u")
    with pytest.raises(UsageError, match="behind a folded norm"):
        aim_of_component(model, part, {"u": unit(3)})


def test_a_code_adds_what_decoding_says_it_stands_for():
    config = CodebookConfig(d_in=32, n_codes=9, k=2, n_groups=4)
    book = Codebook(config, seed=1)
    model = CodebookModel(HuggingFaceModel(copy.deepcopy(tiny("gpt2"))), {"mlp_out.1": book})
    aim = aim_of_code(model, "mlp_out.1", 12)
    expected = torch.zeros(32, dtype=torch.float64)
    expected[8:16] = book.codes[12].detach() / 2
    torch.testing.assert_close(aim.direction, expected)
    step = SteerStep(part=CodePart(code=12), strength=3, sites=("mlp_out.1",))
    with torch.no_grad(), model.read("mlp_out.1") as seen:
        model.logits(PROMPTS)
        before = seen["mlp_out.1"].clone()
        with steer_by(model, SteerSpec(steps=(step,))), model.read("mlp_out.1") as steered:
            model.logits(PROMPTS)
    torch.testing.assert_close(steered["mlp_out.1"], before + 3 * expected.float())
    with pytest.raises(UsageError, match=r"no such code at mlp_out.1: 36. Codes are 0\.\.35"):
        aim_of_code(model, "mlp_out.1", 36)
    with pytest.raises(UsageError, match="no codebook at this site"):
        aim_of_code(model, "mlp_out.0", 1)


def test_a_model_without_codebooks_has_no_codes():
    with pytest.raises(UsageError, match="model has no codebooks"):
        codebooks_of(HuggingFaceModel(tiny("gpt2")))


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("nobody", "no vector is given under this name: 'nobody'. Given are: short, square, nan."),
        ("short", "direction does not fit the site: 3. resid_post.1 has width 4."),
        ("square", "direction does not fit the site: '"),
        ("nan", "direction is not finite: 'nan'"),
    ],
)
def test_a_vector_that_is_not_given_or_does_not_fit_is_refused(name, line):
    sources = {"short": torch.ones(3), "square": torch.ones(2, 2), "nan": torch.full((4,), torch.nan)}
    with pytest.raises(UsageError) as error:
        named_direction(name, sources, 4, "resid_post.1")
    assert line.rstrip("'") in str(error.value)
