"""Means over a corpus are those of what every prompt says by itself."""

import pytest
import torch
from circuits.attribution.random_transcoders import random_set
from oracles.tiny_models import tiny, token_rows

from mechlab.circuits.attribution.connections import connections
from mechlab.circuits.attribution.frozen_pass import frozen_pass
from mechlab.circuits.attribution.mean_connections import mean_connections
from mechlab.core.errors import UsageError
from mechlab.corpora.rows import TokenRows
from mechlab.models.huggingface import HuggingFaceModel

N_ROWS, N_POS = 7, 6


@pytest.mark.parametrize("where_on", [True, False])
@pytest.mark.parametrize(("family", "kind"), [("gpt2", "relu"), ("neox_parallel", "crosslayer_transcoder")])
def test_they_are_those_of_every_prompt(family, kind, where_on, monkeypatch):
    monkeypatch.setattr("mechlab.circuits.attribution.mean_connections.AT_ONCE", 3)
    model = HuggingFaceModel(tiny(family).double())
    transcoders, tokens = random_set(kind, model.spec), token_rows(N_ROWS, N_POS)
    special = torch.zeros_like(tokens, dtype=torch.bool)
    special[:, 0] = True
    found = mean_connections(model, transcoders, TokenRows(tokens.int(), special, "few"), (2, 3), 0, where_on=where_on)
    total, n_active, n_tokens = torch.zeros(24, dtype=torch.float64), torch.zeros(24, dtype=torch.long), 0
    for row in tokens:
        frozen = frozen_pass(model, transcoders, row[None])
        is_on = transcoders.codes(2, frozen.layers[2].read)[:, 3] != 0
        counts = is_on if where_on else torch.ones_like(is_on)
        places = [place for place in range(1, N_POS) if counts[place]]
        total += connections(model, frozen, 2, [(3, place) for place in places], 0).effects.sum((0, 1))
        n_active += (transcoders.codes(0, frozen.layers[0].read)[places] != 0).sum(0)
        n_tokens += len(places)
    assert found.n_tokens == n_tokens and torch.equal(found.n_active, n_active)
    assert 0 < n_tokens < N_ROWS * N_POS and total.abs().max() > 1
    assert torch.allclose(found.mean, total / n_tokens, atol=1e-9)
    assert torch.allclose(found.frequency, n_active / n_tokens)


def test_a_later_layer_adds_nothing_to_an_earlier_one():
    model = HuggingFaceModel(tiny("gpt2").double())
    rows = TokenRows(token_rows(2, 4).int(), torch.zeros(2, 4, dtype=torch.bool), "few")
    with pytest.raises(UsageError, match=r"source is no earlier layer: 1\. Give 0\.\.0"):
        mean_connections(model, random_set("relu", model.spec), rows, (1, 3), 1)
