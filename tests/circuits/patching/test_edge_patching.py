"""Exact edge scores are what the reference library loses when one input of one part carries the other prompt."""

import pytest
import torch
from circuits.patching.small_models import exact, small, some_edges

from mechlab.circuits.outcomes import LogitDifference
from mechlab.circuits.patching.edge_patching import edge_patching, edges_together
from mechlab.circuits.patching.settings import PatchSettings


@pytest.mark.parametrize("family", ["gpt2", "llama", "neox_parallel"])
def test_they_are_the_reference_librarys(family):
    found = small(family)
    scores = exact(family)
    clean = found.lens.preferences(found.pairs.clean, found.pairs)
    sizes = []
    for edge in some_edges(found, 6):
        wanted = clean - found.lens.patched(found.pairs, [found.names(edge)])
        assert torch.allclose(scores.values[:, edge[0], edge[1]].double(), wanted.double(), atol=1e-5), found.names(
            edge
        )
        sizes.append(float(wanted.abs().max()))
    assert sum(size > 1e-3 for size in sizes) > len(sizes) // 2
    assert not scores.values[:, ~found.wiring.is_edge].any()


def test_the_other_direction_scores_what_is_brought_back_however_many_edges_are_patched_at_once():
    found, settings = small("gpt2"), PatchSettings(direction="denoising", rows_at_once=9)
    scores = edge_patching(found.model, [found.pairs], LogitDifference(), settings)
    turned = found.pairs.exchanged()
    corrupted = found.lens.preferences(found.pairs.corrupted, found.pairs)
    for edge in some_edges(found, 3):
        other = found.lens.wrote(found.pairs.clean)
        restored = found.lens.preferences(turned.clean, found.pairs, found.lens.hooks([found.names(edge)], other))
        assert torch.allclose(scores.values[:, edge[0], edge[1]].double(), restored - corrupted, atol=1e-6)


@pytest.mark.parametrize("n_at_once", [1, 5, 1000])
def test_every_edge_is_patched_once(n_at_once):
    wiring = small("llama").wiring
    pieces = list(edges_together(wiring, n_at_once))
    edges = [edge for piece in pieces for edge in piece]
    assert sorted(edges) == [tuple(edge) for edge in wiring.is_edge.nonzero().tolist()]
    assert max(map(len, pieces)) == min(n_at_once, 8) and all(
        len({source for source, _ in piece}) == 1 for piece in pieces
    )
