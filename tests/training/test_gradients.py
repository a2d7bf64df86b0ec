"""Gradients: taken in tiles, or from the few codes that are on, they are those of the whole dense batch."""

from typing import Any

import pytest
import torch

from mechlab.core.config import build
from mechlab.dictionaries import KINDS
from mechlab.dictionaries.dictionary import Dictionary, StepContext
from mechlab.training import gradients
from mechlab.training.gradients import differentiate

ROW_WISE = [kind for kind in KINDS if KINDS[kind].row_wise]
FEW = [kind for kind in KINDS if KINDS[kind].few_fire is not Dictionary.few_fire]
STEP = StepContext(step=3, dead=torch.arange(96) % 5 == 0)


def worn(kind: str, shift: float = 0.0, **options: Any) -> Dictionary:
    """A dictionary in float64, away from its start, whose codes are fewer the lower the shift."""
    dictionary = KINDS[kind](build(KINDS[kind].Config, {"d_in": 12, "d_sae": 96, **options})).double()
    draw = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for name, parameter in dictionary.named_parameters():
            noise = torch.randn(parameter.shape, generator=draw, dtype=torch.float64)
            parameter.copy_(0.3 * noise.abs() if name == "threshold" else parameter + 0.3 * noise)
        dictionary.b_enc.add_(shift)
    return dictionary


def rows(n: int = 50) -> torch.Tensor:
    return torch.randn(n, 12, generator=torch.Generator().manual_seed(7), dtype=torch.float64)


def of_definition(dictionary: Dictionary, x: torch.Tensor) -> tuple[Any, dict[str, torch.Tensor]]:
    """The dense loss of the whole batch by plain autograd."""
    losses = dictionary.loss(x, x, STEP)
    losses.total.backward()
    found = {name: p.grad.clone() for name, p in dictionary.named_parameters() if p.grad is not None}
    dictionary.zero_grad()
    return losses, found


def assert_same(dictionary: Dictionary, x: torch.Tensor, losses: Any, wanted: dict[str, torch.Tensor]) -> None:
    for name, parameter in dictionary.named_parameters():
        torch.testing.assert_close(parameter.grad, wanted[name], msg=lambda text, name=name: f"{name}: {text}")
    again = dictionary.loss(x, x, STEP)
    torch.testing.assert_close(losses.total, again.total.detach())
    torch.testing.assert_close(losses.reconstruction, again.reconstruction.detach())
    torch.testing.assert_close(losses.l0.double(), again.l0.double())
    assert torch.equal(losses.fired, again.fired)
    assert not losses.total.requires_grad


@pytest.mark.parametrize("kind", ROW_WISE)
def test_tiles_of_any_size_give_the_gradients_of_the_whole_batch(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gradients, "TILE_NUMBERS", 96 * 7)
    dictionary, x = worn(kind), rows()
    assert not dictionary.few_fire(x)
    _, wanted = of_definition(dictionary, x)
    assert_same(dictionary, x, differentiate(dictionary, x, x, STEP), wanted)


@pytest.mark.parametrize("kind", FEW)
def test_the_few_codes_that_are_on_give_the_gradients_of_all(kind: str) -> None:
    dictionary, x = worn(kind, shift=-4.0), rows()
    if not dictionary.few_fire(x):
        pytest.skip("this kind never looks at the few")
    dense, wanted = of_definition(dictionary, x)
    assert 0 < dense.l0 < 96 / 40
    assert_same(dictionary, x, differentiate(dictionary, x, x, STEP), wanted)


@pytest.mark.parametrize(
    "options",
    [
        {"jumprelu_sparsity_loss_mode": "tanh"},
        {"jumprelu_sparsity_loss_mode": "quadratic", "target_l0": 2.0},
        {"jumprelu_ste_to_input": True, "jumprelu_bandwidth": 0.3},
        {"pre_act_loss_coefficient": 0.1},
    ],
)
def test_every_penalty_of_jumprelu_is_the_same_on_the_few_as_on_all(options: dict[str, Any]) -> None:
    dictionary, x = worn("jumprelu", shift=-4.0, **options), rows()
    assert dictionary.few_fire(x)
    _, wanted = of_definition(dictionary, x)
    assert_same(dictionary, x, differentiate(dictionary, x, x, STEP), wanted)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.startswith(("topk", "batchtopk"))])
def test_norms_are_computed_once_and_kept_kinds_do_not_notice(kind: str) -> None:
    if KINDS[kind].Config.model_fields.keys() & {"n_layers"}:
        pytest.skip("has layers of its own")
    dictionary, x = worn(kind, k=4), rows()
    _, wanted = of_definition(dictionary, x)
    assert_same(dictionary, x, differentiate(dictionary, x, x, STEP), wanted)
