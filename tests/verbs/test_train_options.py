"""The options of a training run."""

import pytest

from mechlab.core.config import build
from mechlab.core.errors import ConfigError
from mechlab.verbs.options import visible_fields
from mechlab.verbs.train_options import TrainOptions


@pytest.mark.parametrize("field", ["features", "batch_size", "lr", "pool", "checkpoint_every"])
@pytest.mark.parametrize("value", [-1, 0])
def test_a_size_that_is_not_positive_is_refused(field, value):
    with pytest.raises(ConfigError, match=f"{field} is not valid: {value}"):
        build(TrainOptions, {field: value})


def test_kind_and_nested_keys_are_no_options_of_their_own():
    assert TrainOptions.model_fields.keys() - visible_fields(TrainOptions).keys() == {
        "kind",
        "dictionary",
        "training",
        "needs_target",
    }


def test_an_unknown_key_is_refused_with_the_nearest():
    with pytest.raises(ConfigError, match=r"'feature'. Did you mean features\?"):
        build(TrainOptions, {"feature": 3})
