"""A small model and rows with special tokens, for metrics that read activations."""

import pytest
from oracles.tiny_models import tiny, token_rows

from mechlab.corpora.rows import TokenRows
from mechlab.models.loaders import load


@pytest.fixture(scope="module")
def model():
    return load(tiny("llama"), device="cpu")


@pytest.fixture(scope="module")
def rows() -> TokenRows:
    tokens = token_rows(n_rows=5)
    return TokenRows(tokens.int(), tokens % 7 == 0, "rows")
