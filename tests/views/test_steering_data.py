"""The data of a page of steered texts are plain values."""

import json

import pytest
from pydantic import ValidationError
from views.sample_steering import sample_steering

from mechlab.views.steering_data import SteeringPageData


def test_the_data_survive_json():
    assert SteeringPageData.model_validate(json.loads(json.dumps(sample_steering().model_dump()))) == sample_steering()


def test_an_unknown_key_is_refused():
    with pytest.raises(ValidationError):
        SteeringPageData.model_validate({**sample_steering().model_dump(), "colour": "red"})
