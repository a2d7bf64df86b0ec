"""What weights fix times what the prompt does is what the graph says of the same way, exactly."""

import pytest
import torch
from circuits.attribution.small_passes import small_pass

from mechlab.circuits.attribution.connections import connections
from mechlab.circuits.attribution.edge_loadings import edge_loadings
from mechlab.circuits.attribution.targets import chosen_targets
from mechlab.core.errors import UsageError

CHOSEN = [(3, 6), (9, 4), (3, 0)]


@pytest.mark.parametrize(
    ("family", "kind", "bos"),
    [
        ("gpt2", "relu", False),
        ("gpt2", "crosslayer_transcoder", True),
        ("llama", "topk", True),
        ("neox_parallel", "relu with a skip", False),
        ("gemma2", "relu", False),
    ],
)
def test_both_factors_make_up_the_graph_s_loadings(family, kind, bos):
    model, frozen, sources = small_pass(family, kind, bos=bos)
    targets = chosen_targets(frozen, 2, CHOSEN)
    for source, ways in ((0, (None, (1, 2), (2, 0))), (1, (None, (2, 3)))):
        own = (sources.layer == source).nonzero().squeeze(1)
        wanted = edge_loadings(frozen, sources, targets, own.tolist())
        for head in ways:
            if head is not None and head[0] == 2 and frozen.spec.parallel:
                continue
            found = connections(model, frozen, 2, CHOSEN, source, head=head)
            effects = found.effects[:, sources.position[own], sources.feature[own]]
            of_way = wanted.direct if head is None else wanted.heads_alone[:, :, head[0], head[1]]
            assert torch.allclose(effects, of_way, atol=1e-10) and of_way.abs().max() > 1e-3
            rest = found.effects.clone()
            rest[:, sources.position[own], sources.feature[own]] = 0
            assert not rest.any()  # where a feature is off


def test_what_weights_fix_is_the_same_in_every_prompt():
    parts = [small_pass("gpt2", n_pos=n_pos) for n_pos in (7, 5)]
    first, other = (connections(model, frozen, 2, [(3, 4)], 0, head=(1, 1)) for model, frozen, _ in parts)
    assert torch.equal(first.invariant, other.invariant) and first.dependent.shape[1] == 7


def test_a_way_that_leads_nowhere_is_refused():
    model, frozen, _ = small_pass("gpt2")
    for layer, source, head in ((1, 1, None), (2, 1, (1, 0)), (1, 0, (2, 0))):
        with pytest.raises(UsageError, match="way does not lead from one layer to the other"):
            connections(model, frozen, layer, [(0, 1)], source, head=head)
    model, frozen, _ = small_pass("neox_parallel")
    with pytest.raises(UsageError, match="way does not lead"):
        connections(model, frozen, 2, [(0, 1)], 0, head=(2, 0))
