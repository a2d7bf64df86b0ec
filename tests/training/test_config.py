"""Training settings that cannot work are refused before anything is computed."""

import pytest

from mechlab.core.config import build
from mechlab.core.errors import ConfigError
from mechlab.training.config import TrainConfig


@pytest.mark.parametrize(
    ("key", "value"),
    [("n_tokens", 0), ("batch_size", -1), ("lr", 0.0), ("betas", [0.9, 1.0]), ("decoder", "round"), ("grad_clip", -1)],
)
def test_impossible_values_are_refused(key: str, value: object) -> None:
    with pytest.raises(ConfigError, match=key):
        build(TrainConfig, {key: value})


def test_warm_up_and_decay_share_the_run() -> None:
    with pytest.raises(ConfigError, match="at most the whole run"):
        build(TrainConfig, {"lr_warmup_fraction": 0.6, "lr_decay_fraction": 0.5})


def test_steps_are_whole_batches() -> None:
    assert TrainConfig(n_tokens=1050, batch_size=100).n_steps == 10
    assert TrainConfig(n_tokens=10, batch_size=100).n_steps == 1
