"""The options of a sweep: lists without repetition."""

import pytest

from mechlab.core.config import build
from mechlab.core.errors import ConfigError
from mechlab.verbs.sweep_options import SweepOptions
from mechlab.verbs.train_options import TrainOptions


@pytest.mark.parametrize(("field", "value"), [("sites", []), ("sites", [""]), ("features", [8, 8]), ("seeds", [])])
def test_an_empty_list_or_entry_and_a_repetition_are_refused(field, value):
    with pytest.raises(ConfigError, match=field):
        build(SweepOptions, {"out": "x", field: value})


def test_texts_become_numbers():
    options = build(SweepOptions, {"out": "x", "features": ["8", "16"], "seeds": ["0", "2"]})
    assert (options.features, options.seeds) == ((8, 16), (0, 2))


def test_what_train_takes_once_a_sweep_takes_many_times_or_just_so():
    places = {"site", "target", "needs_target", "init_seed", "parallel"}
    assert TrainOptions.model_fields.keys() - SweepOptions.model_fields.keys() == places
