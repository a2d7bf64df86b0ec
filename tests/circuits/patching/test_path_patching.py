"""A path carries the other prompt through the parts it names and through nothing else."""

import pytest
import torch
from circuits.patching.small_models import exact, small

from mechlab.circuits.outcomes import LogitDifference
from mechlab.circuits.patching.path_patching import path_patching
from mechlab.circuits.patching.settings import PatchSettings
from mechlab.core.errors import UnknownName, UsageError


def by_hand(found, path):
    """Return a path's scores with the reference library, one edge after another."""
    here, carried = found.lens.wrote(found.pairs.clean), found.lens.wrote(found.pairs.corrupted)
    sources = [path[0]]
    for reader in path[1:-1]:
        after = found.lens.wrote(found.pairs.clean, found.lens.hooks([(one, reader) for one in sources], carried))
        place = next(one for one in found.wiring.readers if one.name == reader)
        sources = [found.wiring.sources[number] for number in found.wiring.written_by(place)]
        carried = lambda name, after=after, own=tuple(sources): (after if name in own else here)(name)  # noqa: E731
    hooks = found.lens.hooks([(one, path[-1]) for one in sources], carried)
    return found.lens.preferences(found.pairs.clean, found.pairs) - found.lens.preferences(
        found.pairs.clean, found.pairs, hooks
    )


@pytest.mark.parametrize(
    ("family", "path"),
    [
        ("gpt2", ("input", "head.0.1.v", "head.1.2.k", "logits")),
        ("gpt2", ("head.0.1", "mlp.0", "head.2.3.q")),
        ("llama", ("input", "kv.0.1.v", "head.2.3.q", "logits")),
    ],
)
def test_it_is_the_reference_librarys_edge_after_edge(family, path):
    found = small(family)
    mine, wanted = path_patching(found.model, [found.pairs], path, LogitDifference()), by_hand(found, path)
    assert torch.allclose(mine.double(), wanted.double(), atol=max(found.tolerance, 1e-9))
    assert wanted.abs().max() > 1e-4


def test_a_path_of_one_edge_is_that_edge_in_either_direction():
    found = small("gpt2")
    place = found.wiring.edge("mlp.1", "logits")
    path = path_patching(found.model, [found.pairs], ("mlp.1", "logits"), LogitDifference())
    assert torch.allclose(path, exact("gpt2").values[:, place[0], place[1]].double(), atol=1e-6)
    settings = PatchSettings(direction="denoising", rows_at_once=2)
    brought_back = path_patching(found.model, [found.pairs], ("mlp.1", "logits"), LogitDifference(), settings)
    turned = path_patching(found.model, [found.pairs.exchanged()], ("mlp.1", "logits"), LogitDifference())
    assert torch.allclose(brought_back, turned, atol=1e-9)  # its answers are turned as well: two signs cancel


def test_paths_that_lead_nowhere_are_refused():
    found = small("gpt2")

    def ask(*path):
        return path_patching(found.model, [found.pairs], path, LogitDifference())

    with pytest.raises(UsageError, match="path has no edge: 'input'"):
        ask("input")
    with pytest.raises(UnknownName, match="no such reader"):
        ask("input", "head.0.1")
    with pytest.raises(UsageError, match="does not hear the source"):
        ask("head.1.0", "head.1.1.q")
    with pytest.raises(UsageError, match="goes on behind the logits"):
        ask("input", "logits", "logits")
