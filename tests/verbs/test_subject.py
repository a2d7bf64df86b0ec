"""What is looked at: the options that several verbs share."""

import pytest

from mechlab.core.config import build
from mechlab.core.errors import ConfigError
from mechlab.models import MODELS
from mechlab.verbs.subject import SubjectConfig


def test_the_defaults_are_a_built_in_model_with_its_own_corpus():
    subject = SubjectConfig()
    assert subject.model in MODELS
    assert subject.corpus is None


@pytest.mark.parametrize("field", ["tokens", "eval_tokens", "row_length"])
@pytest.mark.parametrize("value", [-1, 0])
def test_a_size_that_is_not_positive_is_refused(field, value):
    with pytest.raises(ConfigError, match=f"{field} is not valid: {value}"):
        build(SubjectConfig, {field: value})


def test_a_row_holds_more_than_its_start_token():
    assert build(SubjectConfig, {"row_length": 2}).row_length == 2
    with pytest.raises(ConfigError, match="row_length is not valid: 1"):
        build(SubjectConfig, {"row_length": 1})


def test_a_seed_is_not_negative():
    assert build(SubjectConfig, {"seed": 0}).seed == 0
    with pytest.raises(ConfigError, match="seed"):
        build(SubjectConfig, {"seed": -1})
