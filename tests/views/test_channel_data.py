"""The page's data refuse columns that do not fit together."""

import pytest
from pydantic import ValidationError
from views.sample_channels import NOISE, ROWS

from mechlab.views.channel_data import NoiseRow, PairRows, layer_of


def test_columns_of_different_lengths_are_refused():
    with pytest.raises(ValidationError, match="different lengths"):
        PairRows(**{**ROWS.model_dump(), "z": (1.0,)})
    with pytest.raises(ValidationError, match="edges"):
        NoiseRow(**{**NOISE.model_dump(), "counts": (1, 2)})


def test_a_head_s_name_begins_with_its_layer():
    assert layer_of("11.3") == 11
