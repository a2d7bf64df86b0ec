"""Rows before any dictionary, and with one: the passes are those of the interventions, special tokens untouched."""

import pytest
import torch

from mechlab.dictionaries.topk import TopKConfig, TopKDictionary
from mechlab.interventions.ablate import ablate
from mechlab.interventions.splice import splice
from mechlab.metrics.passes import reference_of
from mechlab.metrics.reference import next_token_log_probs, reconstructed
from mechlab.models.route import Route

SITE = "resid_post.1"


def log_probs(model, rows):
    return next_token_log_probs(model.logits(rows.tokens))


@torch.no_grad()
def test_the_passes_are_those_of_the_interventions(model, rows):
    dictionary, mean = TopKDictionary(TopKConfig(d_in=32, d_sae=64, k=4)), torch.linspace(-1, 1, 32)
    batch = reconstructed(reference_of(model, rows, SITE, mean), dictionary)
    expected = {"clean": model.logits(rows.tokens)}
    with splice(model, dictionary, SITE, untouched=rows.special):
        expected["spliced"] = model.logits(rows.tokens)
    with ablate(model, SITE, untouched=rows.special):
        expected["zero"] = model.logits(rows.tokens)
    with ablate(model, SITE, mean, untouched=rows.special):
        expected["mean"] = model.logits(rows.tokens)
    for name, logits in expected.items():
        torch.testing.assert_close(batch.log_probs(name), next_token_log_probs(logits), msg=name)
    assert torch.equal(batch.inputs, model.activations(rows.tokens, [SITE])[SITE])
    torch.testing.assert_close(batch.outputs, dictionary(batch.inputs))
    assert torch.equal(batch.scored, ~rows.special)


@pytest.mark.parametrize("place", ["mlp.1", "ln2_normalized.0,ln2_normalized.1 -> mlp_out.0,mlp_out.1"])
@torch.no_grad()
def test_a_transcoders_passes_are_those_of_edits_at_its_targets(model, rows, place):
    route = Route.of(place, model.spec)
    width = 32 * len(route.targets)
    transcoder = TopKDictionary(TopKConfig(d_in=width, d_sae=64, k=4, d_out=width, skip=True))
    transcoder.W_skip.copy_(torch.randn(width, width, generator=torch.Generator().manual_seed(0)))
    mean = torch.linspace(-1, 1, width)
    batch = reconstructed(reference_of(model, rows, place, mean), transcoder)
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
            torch.testing.assert_close(batch.log_probs(name), log_probs(model, rows), msg=name)
    assert torch.equal(batch.log_probs("clean"), log_probs(model, rows))
    if len(route.inputs) == 1:
        with splice(model, transcoder, place, untouched=rows.special):
            torch.testing.assert_close(batch.log_probs("spliced"), log_probs(model, rows))


def test_ablated_losses_are_those_of_their_passes_and_are_run_once(model, rows, monkeypatch):
    reference, passes, plain = reference_of(model, rows, SITE, torch.linspace(-1, 1, 32)), [], model.logits
    monkeypatch.setattr(model, "logits", lambda tokens: passes.append(1) or plain(tokens))
    for name in ("clean", "zero", "mean") * 2:
        expected = -reference.log_probs(name).gather(-1, rows.tokens[:, 1:, None].long())[..., 0].double()
        assert torch.equal(reference.losses(name), expected)
    assert len(passes) == 2 + 4
    assert reference.losses("zero") is reference.losses("zero")
