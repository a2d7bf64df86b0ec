"""A dictionary cut into stretches and put together again is the same; so is the state of its training."""

import torch
from oracles.thread_group import together

from mechlab.dictionaries.batchtopk import BatchTopKConfig, BatchTopKDictionary
from mechlab.training.loop import Watcher, fit
from mechlab.training.parallel.shards import COUNTERS, divided, part_of, state_of_part, whole_of
from mechlab.training.source import TensorSource
from mechlab.training.state import TrainingState


def test_stretches_put_together_are_the_dictionary() -> None:
    whole = BatchTopKDictionary(BatchTopKConfig(d_in=4, d_sae=6, k=2, d_out=3, skip=True), seed=3)
    whole.topk_threshold.fill_(0.5)
    parts = [part_of(whole, rank, 3) for rank in range(3)]
    assert [part.W_dec.shape for part in parts] == [(2, 3)] * 3
    for again in together(3, lambda group: whole_of(parts[group.rank], group)):
        assert again.config == whole.config
        for name, value in whole.state_dict().items():
            assert torch.equal(again.state_dict()[name], value), name


def test_a_part_keeps_more_codes_than_it_has_features() -> None:
    whole = BatchTopKDictionary(BatchTopKConfig(d_in=4, d_sae=6, k=5))
    assert part_of(whole, 1, 2).config.k == 5


def test_a_stored_state_is_cut_where_it_has_features(planted, quick) -> None:  # type: ignore[no-untyped-def]
    states: list[TrainingState] = []
    dictionary = BatchTopKDictionary(BatchTopKConfig(d_in=20, d_sae=96, k=3))
    config = quick(n_tokens=200, checkpoint_every_steps=2)
    fit(dictionary, TensorSource(planted.rows, 100), config, Watcher(save=lambda step, state: states.append(state)))
    cut = divided(states[0], dictionary.undivided)
    assert COUNTERS in cut
    assert {name.split("/")[0] for name in states[0].tensors.keys() - cut} == {"dictionary", "optimizer", "source"}
    assert all(states[0].tensors[name].shape[0] == 96 for name in cut)
    parts = [state_of_part(states[0], dictionary.undivided, 32, rank) for rank in range(3)]
    for name, tensor in states[0].tensors.items():
        if name in cut:
            assert torch.equal(torch.cat([part.tensors[name] for part in parts]), tensor)
        else:
            assert all(part.tensors[name] is tensor for part in parts)
    again = state_of_part(parts[1], dictionary.undivided, 32, 1)
    assert all(again.tensors[name] is tensor for name, tensor in parts[1].tensors.items())
