"""A traced prompt of a tiny model with random transcoders, and what it is called: for tests of the exchange format."""

from dataclasses import replace

from circuits.attribution.random_transcoders import random_set
from oracles.tiny_models import tiny, token_rows

from mechlab.circuits.attribution.attribution_graph import AttributionGraph, attribution_graph
from mechlab.circuits.attribution.described import GraphCard, TargetName
from mechlab.circuits.attribution.frozen_pass import frozen_pass
from mechlab.circuits.attribution.targets import logit_targets
from mechlab.models.huggingface import HuggingFaceModel

TARGETS = (TargetName('say "x"', 3, 0.25), TargetName("three less seven"))


def traced(n_pos: int = 6, kind: str = "topk", family: str = "gpt2", **options: object) -> AttributionGraph:
    """Return the graph of two targets of a random prompt that starts with a BOS."""
    model = HuggingFaceModel(tiny(family).double())
    frozen = replace(frozen_pass(model, random_set(kind, model.spec), token_rows(1, n_pos)), has_bos=True)
    return attribution_graph(frozen, logit_targets(frozen, (3, 7)), **options)


def card(n_pos: int = 6, **changed: object) -> GraphCard:
    """Return what such a graph is of."""
    fields = {"slug": "a-graph", "scan": "tiny", "prompt_tokens": tuple(f" t{place}" for place in range(n_pos))}
    return GraphCard(**{**fields, **changed})
