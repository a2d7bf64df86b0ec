"""The ReLU kind's penalty, by hand."""

import pytest
import torch

from mechlab.dictionaries.dictionary import StepContext
from mechlab.dictionaries.relu import ReluConfig, ReluDictionary


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
