"""A direction taken out of a site is gone in every pass, and shifts along it move the observable as they should."""

import pytest
import torch
from circuits.observables.held import OBSERVABLE
from oracles.tiny_models import tiny, token_rows

from mechlab.circuits.observables.debiasing import debiased, part_along
from mechlab.circuits.observables.parts import parts_of
from mechlab.core.errors import UsageError
from mechlab.models.huggingface import HuggingFaceModel

DIRECTION = 3 * torch.randn(32, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def a_model():
    return HuggingFaceModel(tiny("gpt2").double())


def test_the_part_along_is_the_orthogonal_projection():
    vectors = torch.randn(4, 5, 32, dtype=torch.float64)
    found = part_along(vectors, DIRECTION)
    assert torch.allclose((vectors - found) @ DIRECTION, torch.zeros(4, 5, dtype=torch.float64), atol=1e-12)
    assert torch.allclose(part_along(found, DIRECTION), found) and torch.linalg.matrix_rank(found.flatten(0, 1)) == 1


@pytest.mark.parametrize("positions", [None, range(2, 4)])
def test_a_direction_is_taken_out_where_it_is_asked(positions):
    model, tokens = a_model(), token_rows(2, 6)
    before = model.activations(tokens, ["resid_pre.1"])["resid_pre.1"]
    with debiased(model, "resid_pre.1", DIRECTION, positions=positions):
        after = model.activations(tokens, ["resid_pre.1"])["resid_pre.1"]
    where = slice(None) if positions is None else slice(2, 4)
    assert (after[:, where] @ DIRECTION).abs().max() < 1e-12 < (before[:, where] @ DIRECTION).abs().min()
    kept = before.clone()
    kept[:, where] -= part_along(before[:, where], DIRECTION)
    assert torch.allclose(after, kept, atol=1e-12)
    assert torch.equal(model.activations(tokens, ["resid_pre.1"])["resid_pre.1"], before)


def test_a_shift_adds_only_its_part_along_the_direction():
    model, tokens = a_model(), token_rows(2, 6)
    shift = torch.randn(32, dtype=torch.float64)
    before = model.activations(tokens, ["resid_pre.1"])["resid_pre.1"]
    with debiased(model, "resid_pre.1", DIRECTION, shift=shift, positions=range(3, 4)):
        after = model.activations(tokens, ["resid_pre.1"])["resid_pre.1"]
    change = after - before
    assert torch.allclose(change[:, 3], part_along(shift, DIRECTION).expand(2, -1), atol=1e-12)
    assert not change[:, [0, 1, 2, 4, 5]].any()


def test_an_observables_own_direction_taken_out_at_the_end_leaves_nothing_of_it():
    model, tokens = a_model(), token_rows(2, 6)
    parts = parts_of(model)
    norm, read = parts.norm("ln_final"), OBSERVABLE.direction(parts.weights)
    along = norm.centred(read * norm.gain)
    with debiased(model, "resid_post.2", along):
        found = OBSERVABLE.value(model.logits(tokens))
    bias = float(read @ norm.bias)
    assert torch.allclose(found, torch.full_like(found, bias), atol=1e-12)
    assert (OBSERVABLE.value(model.logits(tokens)) - bias).abs().min() > 1e-3


@pytest.mark.parametrize("positions", [None, range(4, 8)])
def test_generation_with_a_cache_is_edited_as_without(positions):
    model, tokens = a_model(), token_rows(2, 6)
    with debiased(model, "resid_pre.1", DIRECTION, shift=3 * DIRECTION, positions=positions):
        cached, plain = (model.generate(tokens, 6, use_cache=use) for use in (True, False))
    assert torch.equal(cached, plain)
    assert not torch.equal(plain, model.generate(tokens, 6))


def test_directions_that_go_nowhere_or_do_not_fit_are_refused():
    model = a_model()
    for direction in (torch.zeros(32), torch.full((32,), torch.nan)):
        with pytest.raises(UsageError, match="direction goes nowhere"):
            debiased(model, "resid_pre.1", direction)
    with (
        pytest.raises(UsageError, match=r"direction has another width: 5\. The activation's is 32"),
        debiased(model, "resid_pre.1", torch.ones(5)),
    ):
        model.logits(token_rows(1, 3))
