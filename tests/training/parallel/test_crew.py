"""A crew of one asks nobody and changes nothing."""

from collections.abc import Callable
from typing import Any

import torch

from mechlab.dictionaries.dictionary import StepContext
from mechlab.dictionaries.peers import ALONE
from mechlab.training.parallel.crew import ONE
from mechlab.training.state import TrainingState


def test_one_process_answers_for_all(make: Callable[..., Any]) -> None:
    dictionary, rows = make("topk"), torch.randn(8, 20)
    losses = dictionary.loss(rows, rows, StepContext(0, torch.zeros(96, dtype=torch.bool)))
    state = TrainingState({"dictionary/b_dec": torch.zeros(3)}, {})
    assert ONE.share(rows) is rows and ONE.sum_of_shares(rows) is rows
    assert ONE.whole(losses) is losses
    assert ONE.part(dictionary) is ONE.joined(dictionary) is dictionary
    assert ONE.part_of_state(state, dictionary) is state and ONE.own_tensors(state, dictionary) == set()
    assert ONE.peers is ALONE and ONE.is_writer and ONE.saves
    assert (ONE.rank, ONE.n, ONE.n_row_shares, ONE.first(5)) == (0, 1, 1, 5)
    assert ONE.gather(rows)[0] is rows
    assert ONE.dead_share(torch.tensor([True, False, False, False])) == 0.25
    ONE.refuse(d_sae=7, batch_size=13)
    ONE.leave()


def test_the_norm_is_that_of_torch(make: Callable[..., Any]) -> None:
    dictionary, rows = make("relu"), torch.randn(8, 20)
    dictionary.loss(rows, rows, StepContext(0, torch.zeros(96, dtype=torch.bool))).total.backward()
    ONE.reduce_gradients(dictionary)
    norm = ONE.gradient_norm(dictionary)
    assert norm == torch.nn.utils.clip_grad_norm_(dictionary.parameters(), 1.0)
