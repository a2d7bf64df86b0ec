"""Amounts are those a loop over rows and tokens finds; a planted head's are largest where a marked token stands."""

import pytest
import torch
from circuits.channels.planted_head import HEAD, MARKED, planted_model, planted_rows
from oracles.tiny_models import D_MODEL, N_HEADS, tiny, token_rows

from mechlab.circuits.channels.head_circuits import head_circuits
from mechlab.circuits.channels.projections import projections
from mechlab.core.errors import UsageError
from mechlab.corpora.rows import TokenRows
from mechlab.models.huggingface import HuggingFaceModel
from mechlab.models.processing import processed


def some_directions(n: int) -> torch.Tensor:
    directions = torch.randn(n, D_MODEL, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    return directions / directions.norm(dim=1, keepdim=True)


@pytest.mark.parametrize("family", ["gpt2", "llama", "gemma2"])
@pytest.mark.parametrize("batch_rows", [2, 16])
def test_they_are_what_a_loop_finds_in_each_head_s_own_write(family, batch_rows):
    model = processed(HuggingFaceModel(tiny(family)))
    tokens = token_rows(n_rows=5)
    rows = TokenRows(tokens.int(), tokens % 7 == 0, "rows")
    heads, directions = [(1, 2), (0, 0), (1, 2), (1, N_HEADS - 1)], some_directions(4)
    found = projections(model, rows, heads, directions, batch_rows=batch_rows)
    assert found.shape == (4, 5, tokens.shape[1]) and found.dtype == torch.float32
    for place, (layer, head) in enumerate(heads):
        gain = model.weights().layers[layer].ln1_post_w
        for row in range(5):
            write = model.activations(tokens[row : row + 1], [f"head.{layer}.{head}"])[f"head.{layer}.{head}"][0]
            write = write if gain is None else write * gain
            for pos in range(tokens.shape[1]):
                assert abs(float(write[pos].double() @ directions[place]) - float(found[place, row, pos])) < 2e-5


def test_the_model_is_stopped_behind_the_deepest_head_asked_for(monkeypatch):
    model, seen = processed(HuggingFaceModel(tiny("gpt2"))), []
    real = model.activations
    monkeypatch.setattr(model, "activations", lambda tokens, sites: seen.append(list(sites)) or real(tokens, sites))
    rows = TokenRows(token_rows().int(), token_rows() < 0, "rows")
    projections(model, rows, [(1, 0), (0, 3), (1, 1)], some_directions(3))
    assert seen == [["z.0", "z.1"]]


def test_a_planted_head_writes_most_where_its_token_stands():
    model, planted = planted_model()
    circuits, rows = head_circuits(model), planted_rows(40)
    component = int((circuits.ov.write[HEAD].mT @ planted).abs().argmax())
    write = circuits.ov.write[HEAD][:, component]
    assert abs(float(write @ planted)) > 0.95
    (amounts,) = projections(model, rows, [HEAD], write[None])
    amounts = amounts * torch.sign(write @ planted).float()
    there = torch.isin(rows.tokens, MARKED)
    assert amounts[there].min() > amounts[~there].max()


def test_heads_that_are_not_there_or_too_few_are_refused():
    model = processed(HuggingFaceModel(tiny("gpt2")))
    rows = TokenRows(token_rows().int(), token_rows() < 0, "rows")
    with pytest.raises(UsageError, match="no such layer or head"):
        projections(model, rows, [(9, 0)], some_directions(1))
    with pytest.raises(UsageError, match="1 heads, 2 directions"):
        projections(model, rows, [(0, 0)], some_directions(2))
