"""The data of a sweep's page are plain values."""

import json

import pytest
from pydantic import ValidationError
from views.sample_sweep import sample_sweep

from mechlab.views.sweep_data import SweepData


def test_the_data_survive_json():
    assert SweepData.model_validate(json.loads(json.dumps(sample_sweep().model_dump()))) == sample_sweep()


def test_an_unknown_key_is_refused():
    with pytest.raises(ValidationError):
        SweepData.model_validate({**sample_sweep().model_dump(), "colour": "red"})
