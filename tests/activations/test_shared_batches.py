"""Many readers of one stream: each gets the bytes it would get alone, and may be stored and restored alone."""

import pytest
import torch
from oracles.tiny_models import tiny, token_rows

from mechlab.activations.pairs import PairStream
from mechlab.activations.shared_batches import SharedBatches
from mechlab.activations.stream import ActivationStream, StreamConfig
from mechlab.core.errors import ArtifactError
from mechlab.corpora.rows import TokenRows
from mechlab.models.huggingface import HuggingFaceModel
from mechlab.models.route import Route

CONFIG = StreamConfig(batch_size=24, pool_size=64, n_batches=8, forward_rows=2, seed=5)
PLACES = ("resid_post.0", "mlp.1", "resid_pre.1", "resid_post.0,resid_post.1")


@pytest.fixture(scope="module")
def model():
    return HuggingFaceModel(tiny("gpt2"))


@pytest.fixture(scope="module")
def rows():
    tokens = token_rows(24, 16).int()
    return TokenRows(tokens, tokens == 3, "random")


@pytest.fixture
def routes(model):
    return [Route.of(place, model.spec) for place in PLACES]


def alone(model, rows, route):
    return (PairStream if route.targets else ActivationStream)(
        model, rows, route if route.targets else route.inputs, CONFIG
    )


def same(one, other):
    pairs = zip(one, other, strict=True) if isinstance(one, tuple) else [(one, other)]
    return all(torch.equal(a, b) and a.stride() == b.stride() for a, b in pairs)


def test_every_reader_gets_the_bytes_and_the_layout_it_would_get_alone(model, rows, routes):
    shared = SharedBatches(model, rows, routes, CONFIG)
    readers, streams = [shared.reader(route) for route in routes], [alone(model, rows, route) for route in routes]
    for _ in range(CONFIG.n_batches):
        assert all(same(reader.next(), stream.next()) for reader, stream in zip(readers, streams, strict=True))
    for reader in readers:
        with pytest.raises(StopIteration):
            reader.next()


def test_the_model_runs_once_for_all(model, rows, routes, monkeypatch):
    calls = []
    plain = type(model).activations
    monkeypatch.setattr(type(model), "activations", lambda *a, **k: calls.append(1) or plain(*a, **k))
    stream = alone(model, rows, routes[0])
    for _ in range(CONFIG.n_batches):
        stream.next()
    n_alone, calls[:] = len(calls), []
    shared = SharedBatches(model, rows, routes, CONFIG)
    readers = [shared.reader(route) for route in routes for _ in range(3)]
    for _ in range(CONFIG.n_batches):
        for reader in readers:
            reader.next()
    n_sites = 5
    assert len(calls) - n_sites == n_alone - 1  # one look at each site's width, then the passes


def test_a_state_is_that_of_a_stream_alone_and_goes_on_in_another_company(model, rows, routes):
    shared = SharedBatches(model, rows, routes, CONFIG)
    readers, stream = [shared.reader(route) for route in routes], alone(model, rows, routes[1])
    for _ in range(3):
        for reader in readers:
            reader.next()
        stream.next()
    stored = [reader.state() for reader in readers]
    assert stored[1].keys() == stream.state().keys()
    assert all(torch.equal(stored[1][name], tensor) for name, tensor in stream.state().items())
    fewer = SharedBatches(model, rows, [routes[2], routes[1]], CONFIG)
    again = [fewer.reader(routes[2]), fewer.reader(routes[1])]
    again[0].restore(stored[2])
    again[1].restore(stored[1])
    for _ in range(CONFIG.n_batches - 3):
        assert same(again[0].next(), readers[2].next())
        assert same(again[1].next(), readers[1].next())
        readers[0].next(), readers[3].next()


def test_a_reader_that_falls_behind_is_an_error_and_not_another_batch(model, rows, routes):
    shared = SharedBatches(model, rows, routes[:2], CONFIG)
    ahead, behind = map(shared.reader, routes[:2])
    ahead.next(), ahead.next()
    with pytest.raises(ValueError, match="out of step"):
        behind.next()


def test_a_state_of_other_sites_is_refused(model, rows, routes):
    shared = SharedBatches(model, rows, routes, CONFIG)
    with pytest.raises(ArtifactError, match="other sites"):
        shared.reader(routes[1]).restore(shared.reader(routes[0]).state())
    with pytest.raises(ArtifactError, match="lacks: 'cursor, draws'"):
        shared.reader(routes[0]).restore({"vectors": torch.zeros(1, 1)})
