"""Wiring lists who writes and who reads in the order of the forward pass, and who hears whom."""

import pytest
from oracles.tiny_models import N_HEADS, N_KV_HEADS, N_LAYERS, tiny

from mechlab.core.errors import UnknownName, UsageError
from mechlab.interventions.wiring import Wiring, wiring_of
from mechlab.models.huggingface import HuggingFaceModel


def wiring(family: str) -> Wiring:
    return wiring_of(HuggingFaceModel(tiny(family)))


def test_a_reader_hears_all_that_was_written_before_it_and_nothing_later():
    found = wiring("gpt2")
    assert found.sources[:7] == ("input", "head.0.0", "head.0.1", "head.0.2", "head.0.3", "mlp.0", "head.1.0")
    heard = {reader.name: found.n_heard[place] for place, reader in enumerate(found.readers)}
    assert heard["head.0.2.q"] == 1 and heard["mlp.0"] == 5 and heard["head.1.0.v"] == 6 and heard["mlp.2"] == 15
    assert heard["logits"] == len(found.sources) == 1 + N_LAYERS * (N_HEADS + 1)
    assert found.n_edges == int(found.is_edge.sum()) == sum(heard.values())
    assert found.edge("mlp.0", "head.1.3.k") == (
        5,
        found.readers.index(next(r for r in found.readers if r.name == "head.1.3.k")),
    )


def test_in_parallel_blocks_an_mlp_does_not_hear_the_heads_beside_it():
    found = {name: wiring(name) for name in ("neox_parallel", "neox_sequential")}
    n_heard = {name: one.n_heard[[r.name for r in one.readers].index("mlp.1")] for name, one in found.items()}
    assert n_heard == {"neox_parallel": 6, "neox_sequential": 10}


def test_heads_that_share_keys_and_values_read_them_as_one():
    found = wiring("llama")
    names = [reader.name for reader in found.readers if reader.layer == 1]
    assert names == [
        *(f"head.1.{head}.q" for head in range(4)),
        "kv.1.0.k",
        "kv.1.1.k",
        "kv.1.0.v",
        "kv.1.1.v",
        "mlp.1",
    ]
    group = next(reader for reader in found.readers if reader.name == "kv.1.1.v")
    assert N_HEADS // N_KV_HEADS == 2
    assert [found.sources[place] for place in found.written_by(group)] == ["head.1.2", "head.1.3"]
    assert found.written_by(found.readers[-1]) == ()


def test_what_cannot_be_wired_or_found_is_refused():
    with pytest.raises(UsageError, match="write through a norm: 'gemma2'"):
        wiring("gemma2")
    with pytest.raises(UsageError, match="has no norms"):
        Wiring(wiring("gpt2").spec.model_copy(update={"normalization": "none"}))
    found = wiring("gpt2")
    with pytest.raises(UnknownName, match="no such source"):
        found.edge("head.9.0", "logits")
    with pytest.raises(UnknownName, match="no such reader"):
        found.edge("input", "head.1.0")
    with pytest.raises(UsageError, match="does not hear the source"):
        found.edge("mlp.1", "head.1.0.q")
