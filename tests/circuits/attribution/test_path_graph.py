"""In the graph of paths every tail counts once, and what comes into a node is what it brings to the targets."""

import pytest
from circuits.attribution.small_passes import small_pass

from mechlab.circuits.attribution.path_graph import REST, paths_graph
from mechlab.circuits.attribution.path_search import PathSearch, top_paths
from mechlab.circuits.attribution.paths import Path, Step
from mechlab.circuits.attribution.targets import chosen_targets, logit_targets

TOKEN, HEAD, TARGET = Step("token", None, 0), Step("head", 0, 1, 0, 0), Step("target", 1, 1, 0)
FIRST, SECOND = Step("feature", 0, 1, 3), Step("feature", 0, 1, 4)


def test_what_two_paths_share_counts_once():
    paths = [
        Path((TOKEN, HEAD, FIRST, TARGET), (1.0, 2.0, 3.0, 10.0)),
        Path((TOKEN, HEAD, SECOND, TARGET), (-0.5, 1.0, -4.0, 10.0)),
        Path((Step("bias", None, 1), FIRST, TARGET), (0.25, 3.0, 10.0)),
    ]
    graph = paths_graph(paths)
    found = {(edge.source, edge.target): edge.effect for edge in graph.edges}
    assert found == {
        ("token@0", "head.0.0@0>1"): 0.5,
        ("head.0.0@0>1", "feature.0.3@1"): 2,
        ("head.0.0@0>1", "feature.0.4@1"): 1,
        ("bias@1", "feature.0.3@1"): 0.25,
        ("feature.0.3@1", "target.0@1"): 3,
        ("feature.0.4@1", "target.0@1"): -4,
        (REST, "target.0@1"): 11,
        (REST, "feature.0.3@1"): 0.75,
        (REST, "feature.0.4@1"): -5,
        (REST, "head.0.0@0>1"): 2.5,
    }


@pytest.mark.parametrize(("beam", "per_step"), [(20, 8), (None, None)])
def test_into_every_node_flows_what_flows_out(beam, per_step):
    _, frozen, _ = small_pass("gpt2", "crosslayer_transcoder", n_pos=3, bos=True)
    targets = logit_targets(frozen, (3, 7)) if beam else chosen_targets(frozen, 1, [(3, -1)])
    paths = top_paths(frozen, targets, n=None, search=PathSearch(beam=beam, per_step=per_step))
    graph = paths_graph(paths)
    into, out = {}, {}
    for edge in graph.edges:
        into[edge.target] = into.get(edge.target, 0) + edge.effect
        out[edge.source] = out.get(edge.source, 0) + edge.effect
    for node in graph.nodes:
        if node.name in into and node.kind != "target":
            assert into[node.name] == pytest.approx(out[node.name], abs=1e-10)
    for number, value in enumerate(targets.values.tolist()):
        name = f"target.{number}@{int(targets.positions[number])}"
        assert into[name] == pytest.approx(value, abs=1e-10)
    rests = [abs(edge.effect) for edge in graph.edges if edge.source == REST]
    assert max(rests) > 0.01 if beam else max(rests) < 1e-10  # wide enough, nothing is left over
