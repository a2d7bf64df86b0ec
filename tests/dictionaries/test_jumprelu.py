"""JumpReLU's config refuses what cannot be trained; its gradients are compared with SAELens's in tests/training."""

import pytest
import torch

from mechlab.core.config import build
from mechlab.core.errors import ConfigError
from mechlab.dictionaries.jumprelu import JumpReluConfig, JumpReluDictionary

SIZES = {"d_in": 3, "d_sae": 4}


def test_a_code_is_passed_whole_or_not_at_all() -> None:
    dictionary = JumpReluDictionary(JumpReluConfig(d_in=3, d_sae=4))
    with torch.no_grad():
        dictionary.threshold.copy_(torch.tensor([0.5, 1.0, 2.0, 0.0]))
    assert dictionary.activate(torch.tensor([[1.0, 1.0, 3.0, -1.0]])).tolist() == [[1.0, 0.0, 3.0, 0.0]]


def test_a_quadratic_penalty_needs_a_reachable_target() -> None:
    quadratic = {**SIZES, "jumprelu_sparsity_loss_mode": "quadratic"}
    assert build(JumpReluConfig, {**quadratic, "target_l0": 2.0}).target_l0 == 2.0
    with pytest.raises(ConfigError, match="needs a target_l0"):
        build(JumpReluConfig, quadratic)
    with pytest.raises(ConfigError, match="at most d_sae = 4"):
        build(JumpReluConfig, {**quadratic, "target_l0": 5.0})
