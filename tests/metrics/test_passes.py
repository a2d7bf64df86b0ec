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
from mechlab.models.route import Route

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


@pytest.mark.parametrize("place", ["mlp.1", "ln2_normalized.0,ln2_normalized.1 -> mlp_out.0,mlp_out.1"])
@torch.no_grad()
def test_a_transcoders_passes_are_those_of_edits_at_its_targets(model, rows, place):
    route = Route.of(place, model.spec)
    width = 32 * len(route.targets)
    transcoder = TopKDictionary(TopKConfig(d_in=width, d_sae=64, k=4, d_out=width, skip=True))
    transcoder.W_skip.copy_(torch.randn(width, width, generator=torch.Generator().manual_seed(0)))
    mean = torch.linspace(-1, 1, width)
    batch = reconstructed(model, transcoder, place, rows, mean)
    found = model.activations(rows.tokens, route.sites)
    inputs, targets = (torch.cat([found[str(site)] for site in end], -1) for end in (route.inputs, route.targets))
    rebuilt = transcoder(inputs)
    assert torch.equal(batch.inputs, inputs) and torch.equal(batch.targets, targets)
    torch.testing.assert_close(batch.outputs, rebuilt)
    for name, instead in {"spliced": rebuilt, "zero": 0 * rebuilt, "mean": mean.expand_as(rebuilt)}.items():
        edits = {
            site: lambda activation, part=part: torch.where(rows.special[..., None], activation, part)
            for site, part in zip(route.targets, instead.split(32, -1), strict=True)
        }
        with model.edit(edits):
            torch.testing.assert_close(batch.logits(name), model.logits(rows.tokens), msg=name)
    assert torch.equal(batch.logits("clean"), model.logits(rows.tokens))
    if len(route.inputs) == 1:
        with splice(model, transcoder, place, untouched=rows.special):
            torch.testing.assert_close(batch.logits("spliced"), model.logits(rows.tokens))
    read = torch.cat([one.inputs for one in at_site(model, rows, place, 2, "reading")])
    torch.testing.assert_close(read, inputs)
