"""Transcoders that stay on the disk: they do what a set in memory does, and hold one layer at a time."""

import gc
import weakref
from copy import deepcopy
from dataclasses import replace

import pytest
import torch
from circuits.attribution.random_transcoders import CROSS_LAYER, PER_LAYER, random_set
from oracles.tiny_models import N_LAYERS, tiny, token_rows

from mechlab.circuits.attribution.attribution_graph import attribution_graph
from mechlab.circuits.attribution.frozen_pass import frozen_pass
from mechlab.circuits.attribution.sources import sources_of
from mechlab.circuits.attribution.targets import logit_targets
from mechlab.core.errors import UsageError
from mechlab.dictionaries.dictionary import Dictionary
from mechlab.interventions.transcoder_set import TranscoderSet
from mechlab.interventions.transcoders_on_use import TranscodersOnUse
from mechlab.models.huggingface import HuggingFaceModel

MODEL = HuggingFaceModel(tiny("gpt2").double())
KINDS = [*PER_LAYER, *CROSS_LAYER]


class Disk:
    """Reads copies of dictionaries, and knows how often, and which are still held."""

    def __init__(self, whole: TranscoderSet) -> None:
        self.n_read = 0
        self._given: list[list[weakref.ref[torch.Tensor]]] = []
        distinct = {id(one): one for one in whole.layers}
        routes = ["mlp"] if len(distinct) == 1 else [f"mlp.{layer}" for layer in range(whole.n_layers)]
        self.by_route = {
            route: lambda own=own: self._read(own) for route, own in zip(routes, distinct.values(), strict=True)
        }

    @property
    def n_held(self) -> int:
        gc.collect()
        return sum(any(one() is not None for one in weights) for weights in self._given)

    def _read(self, own: Dictionary) -> Dictionary:
        self.n_read += 1
        made = deepcopy(own)
        large = [weights for name, weights in made.named_parameters() if weights.ndim == 2 and name != "W_skip"]
        self._given.append([weakref.ref(weights) for weights in large])
        return made


def on_use(kind: str) -> tuple[TranscoderSet, TranscodersOnUse, Disk]:
    whole = random_set(kind, MODEL.spec)
    disk = Disk(whole)
    return whole, TranscodersOnUse.of_readings(disk.by_route, MODEL.spec), disk


@pytest.mark.parametrize("kind", KINDS)
def test_a_graph_is_the_same_as_with_all_in_memory(kind):
    whole, found, _ = on_use(kind)
    graphs = []
    for transcoders in (whole, found):
        frozen = frozen_pass(MODEL, transcoders, token_rows(1, 6))
        graphs.append(attribution_graph(frozen, logit_targets(frozen, [3, 5])))
    ours, theirs = graphs
    assert len(theirs.visited) and torch.equal(ours.visited, theirs.visited)
    assert torch.equal(ours.of_features.effects, theirs.of_features.effects)
    assert torch.equal(ours.of_targets.effects, theirs.of_targets.effects)


@pytest.mark.parametrize("kind", ["topk", "relu with a skip"])
def test_sources_read_every_layer_once_more_and_hold_one(kind):
    _, found, disk = on_use(kind)
    assert (disk.n_read, disk.n_held) == (N_LAYERS, 0)
    frozen = frozen_pass(MODEL, found, token_rows(1, 6))
    sources_of(frozen)
    assert (disk.n_read, disk.n_held) == (2 * N_LAYERS, 1)


@pytest.mark.parametrize("kind", ["topk", "crosslayer_transcoder"])
def test_once_all_sources_are_known_a_graph_holds_no_weights(kind):
    _, found, disk = on_use(kind)
    frozen = frozen_pass(MODEL, found, token_rows(1, 6))
    attribution_graph(frozen, logit_targets(frozen, [3]))
    assert disk.n_held == 0


def test_a_cross_layer_transcoder_is_read_once_more_and_stays():
    _, found, disk = on_use("crosslayer_transcoder")
    frozen = frozen_pass(MODEL, found, token_rows(1, 6))
    sources_of(frozen)
    assert (disk.n_read, disk.n_held) == (2, 1)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_small_needs_no_reading(kind):
    whole, found, disk = on_use(kind)
    n_read = disk.n_read
    for layer in range(N_LAYERS):
        assert torch.equal(found.bias(layer), whole.bias(layer))
        assert found.n_features(layer) == whole.n_features(layer) and found.site(layer) == whole.site(layer)
        assert list(found.reach(layer)) == list(whole.reach(layer))
        skip, own = found.skip(layer), whole.skip(layer)
        assert (skip is None) == (own is None)
        if skip is not None and own is not None:
            assert torch.equal(skip, own)
    others = [target for target in range(N_LAYERS) if target not in found.reach(1)]
    assert all(found.writers(1, torch.tensor([0]), target) is None for target in others)
    assert disk.n_read == n_read


@pytest.mark.parametrize("kind", ["topk", "crosslayer_transcoder"])
def test_weights_are_brought_to_another_number_type_as_they_are_read(kind):
    whole, found, _ = on_use(kind)
    narrow = found.in_dtype(torch.float32)
    assert found.in_dtype(torch.float64) is found and narrow.in_dtype(torch.float64).dtype == torch.float64
    x = torch.randn(4, MODEL.spec.d_model, generator=torch.Generator().manual_seed(0))
    for layer in range(N_LAYERS):
        assert narrow.bias(layer).dtype == torch.float32
        assert torch.equal(narrow.codes(layer, x), whole.in_dtype(torch.float32).codes(layer, x))
    assert found.codes(0, x.double()).dtype == torch.float64


def test_what_does_not_fit_is_refused_when_the_set_is_made():
    _, _, disk = on_use("topk")
    del disk.by_route["mlp.1"]
    with pytest.raises(UsageError, match="layers have no transcoder: '1'"):
        TranscodersOnUse.of_readings(disk.by_route, MODEL.spec)


def test_a_copy_of_the_set_reads_for_itself():
    _, found, disk = on_use("topk")
    other = replace(found, _last={})
    assert found.opened(0) is found.opened(0) and other.opened(0) is not found.opened(0)
    assert disk.n_read == N_LAYERS + 2
