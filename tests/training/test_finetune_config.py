"""The settings of fine-tuning refuse what cannot be."""

import pytest

from mechlab.core.config import build
from mechlab.core.errors import ConfigError
from mechlab.training.finetune_config import FinetuneConfig


@pytest.mark.parametrize(
    "options",
    [
        {"lr_warmup_fraction": 0.5, "lr_decay_fraction": 0.6},
        {"n_steps": 0},
        {"train": "some"},
        {"revive_until": 1.5},
        {"error_weight": -1.0},
    ],
)
def test_what_cannot_be_is_refused(options: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=f"FinetuneConfig.{list(options)[-1]} is not valid"):
        build(FinetuneConfig, options)


def test_codes_learn_fifteen_times_as_fast_as_the_model_unless_they_have_their_own_rate() -> None:
    assert FinetuneConfig(lr=2e-3).rate_of_codes == pytest.approx(3e-2)
    assert FinetuneConfig(lr=3e-3, code_lr=1e-2).rate_of_codes == 1e-2
