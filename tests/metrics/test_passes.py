"""What metrics look at is what the interventions do: the same passes, special tokens untouched."""

import pytest
import torch
from oracles.tiny_models import tiny, token_rows

from mechlab.core.errors import UsageError
from mechlab.corpora.rows import TokenRows
from mechlab.dictionaries.topk import TopKConfig, TopKDictionary
from mechlab.interventions.ablate import ablate
from mechlab.interventions.splice import splice
from mechlab.metrics.passes import at_site, reconstructed
from mechlab.models.loaders import load

SITE = "resid_post.1"


@pytest.fixture(scope="module")
def model():
    return load(tiny("llama"), device="cpu")


@pytest.fixture(scope="module")
def rows() -> TokenRows:
    tokens = token_rows(n_rows=5)
    return TokenRows(tokens.int(), tokens % 7 == 0, "rows")


@torch.no_grad()
def test_the_passes_are_those_of_the_interventions(model, rows):
    dictionary, mean = TopKDictionary(TopKConfig(d_in=32, d_sae=64, k=4)), torch.linspace(-1, 1, 32)
    batch = reconstructed(model, dictionary, SITE, rows, mean)
    expected = {"clean": model.logits(rows.tokens)}
    with splice(model, dictionary, SITE, untouched=rows.special):
        expected["spliced"] = model.logits(rows.tokens)
    with ablate(model, SITE, untouched=rows.special):
        expected["zero"] = model.logits(rows.tokens)
    with ablate(model, SITE, mean, untouched=rows.special):
        expected["mean"] = model.logits(rows.tokens)
    for name, logits in expected.items():
        torch.testing.assert_close(batch.logits(name), logits, msg=name)
    assert torch.equal(batch.inputs, model.activations(rows.tokens, [SITE])[SITE])
    torch.testing.assert_close(batch.outputs, dictionary(batch.inputs))
    assert torch.equal(batch.scored, ~rows.special)


def test_rows_are_yielded_once_and_in_order(model, rows):
    batches = list(at_site(model, rows, SITE, 2, "reading"))
    assert [len(batch.rows) for batch in batches] == [2, 2, 1]
    assert torch.equal(torch.cat([batch.tokens for batch in batches]), rows.tokens)
    torch.testing.assert_close(
        torch.cat([batch.inputs for batch in batches]), model.activations(rows.tokens, [SITE])[SITE]
    )


def test_a_site_with_one_vector_per_head_is_refused(model, rows):
    with pytest.raises(UsageError, match="more than one vector per token"):
        list(at_site(model, rows, "z.1", 2, "reading"))
