"""A traced prompt's id depends on all that its bytes depend on, and on nothing else."""

import copy
from dataclasses import replace

import pytest

from mechlab.circuits.attribution.attribution_graph import attribution_graph
from mechlab.circuits.attribution.frozen_pass import frozen_pass
from mechlab.circuits.attribution.pruning import pruned
from mechlab.circuits.attribution.targets import logit_targets
from mechlab.models.loaders import load
from mechlab.verbs.steps.tracing.details import Details
from mechlab.verbs.steps.tracing.run import identity_of, trace_metrics
from mechlab.verbs.steps.tracing.transcoders import open_transcoders
from mechlab.verbs.trace_options import TraceOptions

NOTHING = Details({}, ())


@pytest.fixture(scope="module")
def subject(model, transcoders):
    own = load(str(model), device="cpu")
    return own, open_transcoders(own, transcoders)


@pytest.fixture(scope="module")
def on_disk(subject, transcoders):
    return subject[0], open_transcoders(subject[0], transcoders, on_use=True)


def run_id(subject, prompt="It was winter.", **changed):
    own, found = subject
    config = TraceOptions(prompt=prompt, dictionaries=("any",), **changed)
    return identity_of(config, own, own.to_tokens(prompt), found, NOTHING).run_id()


def test_the_id_changes_with_what_changes_the_bytes(subject):
    first = run_id(subject)
    others = [
        run_id(subject, prompt="It was spring."),
        run_id(subject, target=("snow",)),
        run_id(subject, target=("snow",), against=("pumpkin",)),
        run_id(subject, position=1),
        run_id(subject, max_features=3),
        run_id(subject, nodes=0.5),
        run_id(subject, edges=0.5),
    ]
    assert len({first, *others}) == 1 + len(others)
    own, found = subject
    moved = with_bias(found, lambda bias: bias + 1)
    config = TraceOptions(prompt="It was winter.", dictionaries=("any",))
    assert identity_of(config, own, own.to_tokens("It was winter."), moved, NOTHING).run_id() != first


def test_the_id_stays_where_only_words_differ(subject):
    first = run_id(subject, target=("snow",))
    token = int(subject[0].to_tokens("snow", bos=False)[0, 0])
    assert run_id(subject, target=(f"#{token}",)) == first
    assert run_id(subject, target=("snow",), top=3, device="cpu", threads=1) == first
    assert run_id(subject, position=-1) == run_id(subject, position=len(subject[0].to_tokens("It was winter.")[0]) - 1)


def test_the_id_does_not_depend_on_whether_weights_are_held(subject, on_disk):
    assert run_id(on_disk) == run_id(subject)


def test_metrics_say_how_much_was_on_traced_and_kept(subject):
    own, found = subject
    frozen = frozen_pass(own, found, own.to_tokens("It was winter."))
    graph = attribution_graph(frozen, logit_targets(frozen, (5, 6)), max_features=4)
    kept = pruned(graph, nodes=0.5)
    metrics = trace_metrics(graph, kept)
    assert metrics["n_features_traced"] == 4 <= metrics["n_features_on"] == len(graph.sources.code)
    assert metrics["n_features_kept"] == len(kept.rows) and metrics["n_edges_kept"] == int(kept.edges.sum())
    assert all(0 <= metrics[name] <= 1 for name in ("replacement_score", "completeness_score", "bias_share"))


def with_bias(found, change):
    """Return a set whose first layer has another bias."""
    first = copy.deepcopy(found.layers[0])
    first.b_dec.data = change(first.b_dec.data)
    return replace(found, layers=(first, *found.layers[1:]))
