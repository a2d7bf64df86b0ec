"""What next tokens cost, as a plain loop counts it; ratios are paired row by row."""

import pytest
import torch
from oracles.tiny_models import tiny
from torch.nn.functional import cross_entropy

from mechlab.corpora.rows import TokenRows
from mechlab.metrics.next_token import loss_per_token, row_losses, times_as_much
from mechlab.models.loaders import load


@pytest.fixture(scope="module")
def rows() -> TokenRows:
    tokens = torch.randint(0, 61, (7, 12), generator=torch.Generator().manual_seed(0))
    return TokenRows(tokens.int(), torch.rand(7, 12, generator=torch.Generator().manual_seed(1)) < 0.2, "rows")


@torch.no_grad()
def test_special_tokens_neither_predict_nor_are_predicted(rows):
    model = load(tiny("gpt2"), device="cpu")
    found = row_losses(model, rows, rows_at_once=3)
    for number, (tokens, special) in enumerate(zip(rows.tokens.long(), rows.special, strict=True)):
        logits = model.logits(tokens[None])[0]
        costs = [
            cross_entropy(logits[place], tokens[place + 1]).item()
            for place in range(11)
            if not special[place] and not special[place + 1]
        ]
        assert found[number].tolist() == pytest.approx([sum(costs), len(costs)], rel=1e-5)
    assert loss_per_token(found).value == pytest.approx(float(found[:, 0].sum() / found[:, 1].sum()))


def test_a_model_is_once_as_much_as_itself_without_any_doubt(rows):
    losses = torch.tensor([[3.0, 4.0], [9.0, 5.0], [1.0, 2.0]]).double()
    same, twice = times_as_much(losses, losses), times_as_much(2 * losses, losses)
    assert (same.value, same.low, same.high) == (1, 1, 1)
    assert (twice.low, twice.high) == (2, 2)
