"""A small model and rows with special tokens, for metrics that read activations."""

import pytest
import torch
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


@pytest.fixture(scope="module")
def even_rows() -> TokenRows:
    """Return rows with special tokens, whose even tokens are labelled so."""
    tokens = token_rows(n_rows=41, n_pos=30)
    labels = {"even": torch.where(tokens % 2 == 0, 0, -1).to(torch.int8)}
    return TokenRows(tokens.int(), tokens % 11 == 0, "rows", labels, {"even": ("yes",)})
