"""The gated kind's loss and gradient are those of its definition; magnitudes escape the penalty."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from mechlab.core.config import build
from mechlab.core.errors import ConfigError
from mechlab.dictionaries.dictionary import StepContext
from mechlab.dictionaries.gated import GatedConfig, GatedDictionary

D_IN, D_SAE = 6, 30
ALIVE = StepContext(3, torch.zeros(D_SAE, dtype=torch.bool))


def worn(**options: object) -> GatedDictionary:
    dictionary = GatedDictionary(build(GatedConfig, {"d_in": D_IN, "d_sae": D_SAE, **options})).double()
    draw = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in dictionary.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=draw, dtype=torch.float64))
    return dictionary


def rows(width: int) -> Tensor:
    return 2 * torch.randn(50, width, generator=torch.Generator().manual_seed(width), dtype=torch.float64)


def plain_loss(made: GatedDictionary, x: Tensor, targets: Tensor, coefficient: float) -> Tensor:
    """Return the loss as the paper and SAELens write it: two encoders, two reconstructions."""
    centred = x - made.b_dec if made.config.centred else x
    gate = centred @ made.W_enc + made.b_enc
    magnitude = centred @ (made.W_enc * made.r_mag.exp()) + made.b_mag
    codes = (gate > 0) * magnitude.relu()
    errors = [acts @ made.W_dec + made.b_dec - targets for acts in (codes, gate.relu())]
    penalty = (gate.relu() * made.W_dec.norm(dim=1)).sum(-1).mean()
    return sum(error.square().sum(-1).mean() for error in errors) + coefficient * penalty


@pytest.mark.parametrize("d_out", [None, 9])
@pytest.mark.parametrize("warm_up_steps", [0, 4])
@pytest.mark.parametrize("few_fire", [False, True], ids=["dense", "sparse"])
def test_loss_and_gradient_are_those_of_two_separate_paths(
    few_fire: bool, d_out: int | None, warm_up_steps: int
) -> None:
    dictionary = worn(d_out=d_out, l1_coefficient=0.4, l1_warm_up_steps=warm_up_steps)
    x = rows(D_IN)
    targets = x if d_out is None else rows(d_out)
    losses = dictionary.loss(x, targets, replace(ALIVE, few_fire=few_fire))
    losses.total.backward()
    ours = {name: parameter.grad for name, parameter in dictionary.named_parameters()}
    dictionary.zero_grad()
    expected = plain_loss(dictionary, x, targets, 0.4 * (3 / 4 if warm_up_steps else 1.0))
    torch.testing.assert_close(losses.total, expected)
    expected.backward()
    for name, parameter in dictionary.named_parameters():
        torch.testing.assert_close(ours[name], parameter.grad, msg=name)


@pytest.mark.parametrize("few_fire", [False, True], ids=["dense", "sparse"])
def test_what_is_counted_are_codes_not_gates(few_fire: bool) -> None:
    dictionary = worn()
    with torch.no_grad():
        dictionary.b_mag[0] = -100.0  # opens its gate, has no magnitude
    losses = dictionary.loss(rows(D_IN), rows(D_IN), replace(ALIVE, few_fire=few_fire))
    codes = dictionary.encode(rows(D_IN))
    assert losses.l0.item() == pytest.approx((codes > 0).double().sum(-1).mean().item())
    assert torch.equal(losses.fired, (codes > 0).any(0))
    assert not losses.fired[0]
    torch.testing.assert_close(losses.reconstruction, dictionary(rows(D_IN)))
    assert losses.l0 < (dictionary.pre_activations(rows(D_IN)) > 0).double().sum(-1).mean()


def test_only_open_gates_are_touched_once_few_are_open() -> None:
    dictionary = worn()
    assert not dictionary.few_fire(rows(D_IN))
    with torch.no_grad():
        dictionary.b_enc.sub_(100.0)
    assert dictionary.few_fire(rows(D_IN))


def test_magnitudes_have_no_gradient_from_the_penalty() -> None:
    dictionary = worn()
    dictionary.loss(rows(D_IN), rows(D_IN), ALIVE).parts["l1"].backward()
    for magnitude in (dictionary.r_mag, dictionary.b_mag):
        assert magnitude.grad is not None
        assert (magnitude.grad == 0).all()
    assert dictionary.b_enc.grad is not None
    assert (dictionary.b_enc.grad != 0).any()


def test_the_number_of_parameters_is_what_the_config_says() -> None:
    dictionary = worn(d_out=9)
    assert dictionary.config.n_parameters == sum(parameter.numel() for parameter in dictionary.parameters())


def test_a_negative_penalty_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"GatedConfig\.l1_coefficient is not valid: -1"):
        worn(l1_coefficient=-1.0)
