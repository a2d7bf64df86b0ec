"""Edge attributions are differences along gradients, edge by edge, and the exact effects of small changes."""

import pytest
import torch
from circuits.patching.small_models import small, some_edges

from mechlab.circuits.outcomes import LogitDifference
from mechlab.circuits.patching.edge_attribution import eap, eap_ig
from mechlab.circuits.patching.edge_patching import alone
from mechlab.circuits.patching.edge_runs import outcomes_outside
from mechlab.circuits.patching.settings import PatchSettings
from mechlab.core.errors import UsageError
from mechlab.interventions.edge_changes import written


def by_hand(found, starts):
    """Return every edge's score from the reference library's gradients, each edge apart."""
    readers = [reader.name for reader in found.wiring.readers]
    slopes = [found.lens.slopes(found.pairs, readers, start) for start in starts]
    here, other = found.lens.wrote(found.pairs.clean), found.lens.wrote(found.pairs.corrupted)
    wanted = torch.zeros(len(found.pairs), len(found.wiring.sources), len(readers), dtype=torch.float64)
    for source, reader in found.wiring.is_edge.nonzero().tolist():
        name = found.wiring.sources[source]
        gradient = sum(one[readers[reader]] for one in slopes) / len(slopes)
        wanted[:, source, reader] = ((here(name) - other(name)) * gradient).sum((1, 2))
    return wanted


@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_eap_is_the_difference_along_the_gradient_of_every_edge(family):
    found = small(family)
    scores, wanted = eap(found.model, [found.pairs], LogitDifference()), by_hand(found, [None])
    assert torch.allclose(scores.values.double(), wanted, atol=found.tolerance)
    assert wanted[:, found.wiring.is_edge].abs().amax(0).mean() > 1e-3


def test_eap_ig_takes_the_mean_gradient_over_the_way_of_the_embeddings():
    found = small("gpt2")
    here, other = (found.lens.wrote(tokens)("input") for tokens in (found.pairs.clean, found.pairs.corrupted))
    starts = [here + part * (other - here) for part in (1 / 6, 3 / 6, 5 / 6)]
    scores = eap_ig(found.model, [found.pairs], LogitDifference(), PatchSettings(steps=3))
    wanted = by_hand(found, starts)
    assert torch.allclose(scores.values.double(), wanted, atol=found.tolerance)
    assert (wanted - by_hand(found, [None])).abs().max() > 1e-2


def test_edges_of_the_embeddings_score_the_whole_change_in_many_steps():
    """An integral of a gradient along a way is the difference between its ends, whatever lies between."""
    found = small("gpt2")
    outcomes = [
        LogitDifference().of(found.model.logits(tokens)[:, -1], {}, found.pairs)
        for tokens in (found.pairs.clean, found.pairs.corrupted)
    ]
    scores = eap_ig(found.model, [found.pairs], LogitDifference(), PatchSettings(steps=40))
    whole = scores.values[:, found.wiring.sources.index("input")].sum(-1)
    assert torch.allclose(whole.double(), outcomes[0] - outcomes[1], atol=1e-4)
    assert (outcomes[0] - outcomes[1]).abs().max() > 0.1


def test_eap_is_the_exact_score_of_a_small_change():
    found = small("gpt2")
    here, other = (written(found.model, found.wiring, tokens) for tokens in (found.pairs.clean, found.pairs.corrupted))
    edges = some_edges(found, 12)
    none, marks = torch.zeros(1, *found.wiring.is_edge.shape).bool(), alone(found.wiring, edges)
    sides = [
        outcomes_outside(
            found.model,
            found.wiring,
            found.pairs,
            here + part * (other - here),
            torch.cat([none, marks]),
            LogitDifference(),
        )
        for part in (1e-5, -1e-5)
    ]
    slopes = (sides[1] - sides[0])[1:] / 2e-5
    scores = eap(found.model, [found.pairs], LogitDifference())
    for edge, wanted in zip(edges, slopes, strict=True):
        assert torch.allclose(scores.values[:, edge[0], edge[1]].double(), wanted, atol=1e-7), found.names(edge)


def test_the_other_direction_starts_from_the_corrupted_prompt_and_scores_what_is_brought_back():
    found = small("gpt2")
    denoising = eap(found.model, [found.pairs], LogitDifference(), PatchSettings(direction="denoising"))
    turned = found.pairs.exchanged()  # its answers are turned as well: two signs cancel
    wanted = eap(found.model, [turned], LogitDifference()).values
    assert torch.allclose(denoising.values, wanted, atol=1e-9)


@pytest.mark.parametrize("rows_at_once", [1, 2])
def test_passes_of_any_size_give_the_same_scores(rows_at_once):
    found = small("gpt2")
    whole, cut = (
        eap_ig(found.model, [found.pairs], LogitDifference(), PatchSettings(steps=2, rows_at_once=n)).values
        for n in (128, rows_at_once)
    )
    assert torch.allclose(whole, cut, atol=1e-10)


def test_no_prompts_are_refused():
    with pytest.raises(UsageError, match="no prompts to patch"):
        eap(small("gpt2").model, [], LogitDifference())
