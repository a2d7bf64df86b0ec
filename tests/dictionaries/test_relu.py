"""The ReLU kind's penalties, by hand and by SAELens's class."""

import pytest
import torch
from sae_lens import StandardTrainingSAE, StandardTrainingSAEConfig
from sae_lens.saes.sae import TrainStepInput

from mechlab.dictionaries.dictionary import StepContext
from mechlab.dictionaries.relu import ReluConfig, ReluDictionary
from mechlab.training.unit_decoder import project_decoder_gradient


@pytest.mark.parametrize(("step", "share"), [(0, 0.0), (1, 0.25), (4, 1.0), (9, 1.0)])
def test_the_penalty_is_the_mean_sum_of_codes_times_decoder_norms(step: int, share: float) -> None:
    dictionary = ReluDictionary(ReluConfig(d_in=2, d_sae=2, l1_coefficient=0.5, l1_warm_up_steps=4))
    with torch.no_grad():
        dictionary.encoder.copy_(torch.eye(2))
        dictionary.W_dec.copy_(torch.tensor([[3.0, 4.0], [0.0, 2.0]]))
    x = torch.tensor([[1.0, -1.0], [2.0, 3.0]])
    losses = dictionary.loss(x, x, StepContext(step, torch.zeros(2, dtype=torch.bool)))
    assert losses.parts["l1"].item() == pytest.approx(share * 0.5 * (1 * 5 + 2 * 5 + 3 * 2) / 2)
    assert losses.l0.item() == 1.5
    assert losses.fired.tolist() == [True, True]


@pytest.mark.parametrize("few_fire", [False, True], ids=["dense", "sparse"])
def test_the_plain_penalty_leaves_the_norms_out(few_fire: bool) -> None:
    dictionary = ReluDictionary(ReluConfig(d_in=2, d_sae=2, l1_coefficient=0.5, l1_weighted_by_decoder_norm=False))
    with torch.no_grad():
        dictionary.encoder.copy_(torch.eye(2))
        dictionary.W_dec.copy_(torch.tensor([[3.0, 4.0], [0.0, 2.0]]))
    x = torch.tensor([[1.0, -1.0], [2.0, 3.0]])
    losses = dictionary.loss(x, x, StepContext(0, torch.zeros(2, dtype=torch.bool), few_fire))
    assert losses.parts["l1"].item() == pytest.approx(0.5 * (1 + 2 + 3) / 2)
    losses.parts["l1"].backward()
    assert dictionary.W_dec.grad is None or not dictionary.W_dec.grad.any()


@pytest.mark.parametrize("weighted", [True, False])
def test_with_a_unit_decoder_both_penalties_train_as_saelens_does(weighted: bool) -> None:
    ours = ReluDictionary(
        ReluConfig(d_in=6, d_sae=30, l1_coefficient=0.7, decoder_init_norm=1.0, l1_weighted_by_decoder_norm=weighted)
    )
    theirs = StandardTrainingSAE(StandardTrainingSAEConfig(d_in=6, d_sae=30, l1_coefficient=0.7))
    theirs.load_state_dict(ours.saelens_tensors())
    x = 2 * torch.randn(40, 6, generator=torch.Generator().manual_seed(0))
    losses = ours.loss(x, x, StepContext(0, torch.zeros(30, dtype=torch.bool)))
    losses.total.backward()
    project_decoder_gradient(ours)  # what a unit decoder leaves of it; only there do the penalties differ
    output = theirs.training_forward_pass(TrainStepInput(x, {"l1": 0.7}, None, 0, False))
    output.loss.backward()
    torch.testing.assert_close(losses.total, output.loss)
    gradients = {name: parameter.grad for name, parameter in theirs.named_parameters()}
    along = (gradients["W_dec"] * theirs.W_dec).sum(-1, keepdim=True) * theirs.W_dec
    expected = {**gradients, "W_dec": gradients["W_dec"] - along, "encoder": gradients["W_enc"].T}
    for name, parameter in ours.named_parameters():
        torch.testing.assert_close(parameter.grad, expected[name], msg=name)
