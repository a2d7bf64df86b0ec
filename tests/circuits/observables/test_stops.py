"""Paths are read source first; what is out of order or not there is refused."""

import pytest
from oracles.tiny_models import tiny

from mechlab.circuits.observables.stops import Stop, path_of
from mechlab.core.errors import UnknownName, UsageError
from mechlab.models.huggingface import HuggingFaceModel

SEQUENTIAL, PARALLEL = (HuggingFaceModel(tiny(family)).spec for family in ("gpt2", "neox_parallel"))


def test_names_are_read_back():
    for name in ("head.2.3", "heads.0", "mlp.1", "mlp.1+", "head.0.0+", "heads.2+", "logits"):
        assert Stop.parse(name, SEQUENTIAL).name == name


def test_a_stop_reads_through_its_own_norm():
    found = [Stop.parse(name, SEQUENTIAL) for name in ("head.2.3", "mlp.1", "logits")]
    assert [stop.norm for stop in found] == ["ln1.2", "ln2.1", "ln_final"]
    assert [stop.stream(SEQUENTIAL) for stop in found] == ["resid_pre.2", "resid_mid.1", "resid_post.2"]
    assert Stop.parse("mlp.1", PARALLEL).stream(PARALLEL) == "resid_pre.1"


def test_the_layer_directly_below_is_heard():
    # The published search skipped it, and never began at the last MLP.
    path = path_of(("head.0.1", "mlp.0", "head.1.0", "mlp.1", "mlp.2", "logits"), SEQUENTIAL)
    assert [stop.layer for stop in path] == [0, 0, 1, 1, 2, 3]
    assert path_of(("head.1.0", "head.2.0", "logits"), PARALLEL)


@pytest.mark.parametrize(
    ("names", "spec", "message"),
    [
        (("head.0.1", "head.0.2", "logits"), SEQUENTIAL, "does not hear the one before it: 'head.0.1 -> head.0.2'"),
        (("mlp.1", "head.1.0", "logits"), SEQUENTIAL, "'mlp.1 -> head.1.0'"),
        (("head.1.0", "mlp.1", "logits"), PARALLEL, "'head.1.0 -> mlp.1'"),
        (("logits", "logits"), SEQUENTIAL, "'logits -> logits'"),
        (("head.0.1",), SEQUENTIAL, "path does not end at the logits: 'head.0.1'"),
        ((), SEQUENTIAL, "path does not end at the logits"),
    ],
)
def test_paths_out_of_order_are_refused(names, spec, message):
    with pytest.raises(UsageError, match=message):
        path_of(names, spec)


def test_unknown_stops_are_refused():
    for name in ("head.3.0", "head.0.4", "mlp.3", "heads.3"):
        with pytest.raises(UnknownName, match=rf"this model has no such stop: '{name}'. Layers are 0..2, heads 0..3"):
            Stop.parse(name, SEQUENTIAL)
    for name in ("attn.0", "head.0", "logits+", "mlp.-1", " mlp.0"):
        with pytest.raises(UnknownName, match="stop is not known"):
            Stop.parse(name, SEQUENTIAL)
    with pytest.raises(UnknownName, match="There are no MLPs"):
        Stop.parse("mlp.0", SEQUENTIAL.model_copy(update={"d_mlp": 0}))
