"""An ablated site says the same of every token; the mean is that of the tokens that count."""

import pytest
import torch
from oracles.tiny_models import tiny, token_rows

from mechlab.corpora.rows import TokenRows
from mechlab.interventions.ablate import ablate, mean_activation
from mechlab.models.loaders import load

SITE = "mlp_out.1"


@pytest.fixture(scope="module")
def model():
    return load(tiny("gpt2"), device="cpu")


@pytest.fixture(scope="module")
def rows() -> TokenRows:
    tokens = token_rows(n_rows=7)
    return TokenRows(tokens.int(), tokens % 5 == 0, "rows")


@torch.no_grad()
def test_zero_ablation_equals_a_layer_whose_mlp_is_switched_off(model, rows):
    switched_off = tiny("gpt2")
    switched_off.transformer.h[1].mlp.c_proj.weight.zero_()
    switched_off.transformer.h[1].mlp.c_proj.bias.zero_()
    with ablate(model, SITE):
        found = model.logits(rows.tokens)
    torch.testing.assert_close(found, switched_off(rows.tokens).logits)


@torch.no_grad()
def test_mean_ablation_equals_a_layer_whose_mlp_is_a_constant(model, rows):
    mean = mean_activation(model, rows, SITE)
    constant = tiny("gpt2")
    constant.transformer.h[1].mlp.c_proj.weight.zero_()
    constant.transformer.h[1].mlp.c_proj.bias.copy_(mean)
    with ablate(model, SITE, mean):
        found = model.logits(rows.tokens)
    torch.testing.assert_close(found, constant(rows.tokens).logits)


def test_the_mean_is_that_of_tokens_that_are_not_special(model, rows):
    activation = model.activations(rows.tokens, [SITE])[SITE].double()
    expected = activation[~rows.special].mean(0)
    torch.testing.assert_close(mean_activation(model, rows, SITE, batch_rows=3), expected)
    assert (expected - activation.mean((0, 1))).abs().max() > 1e-3, "special tokens would show"


def test_the_mean_of_few_rows_takes_them_from_the_whole_corpus(model, rows):
    activation = model.activations(rows.tokens, [SITE])[SITE].double()
    ends = torch.cat([activation[i][~rows.special[i]] for i in (0, 3, 6)])
    torch.testing.assert_close(mean_activation(model, rows, SITE, n_rows=3), ends.mean(0))
