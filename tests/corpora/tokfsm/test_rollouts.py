from time import process_time

import pytest
import torch

from mechlab.core.errors import UsageError
from mechlab.core.randomness import torch_generator
from mechlab.corpora.tokfsm.machine import Machine
from mechlab.corpora.tokfsm.rollouts import n_steps_in, paths, rollouts, state_labels

PAPER = Machine.drawn()
SMALL = Machine.drawn(n_states=20, n_edges=4, seed=0)


def draw(seed: int = 0) -> torch.Generator:
    return torch_generator(seed, "rollouts")


@pytest.mark.parametrize("machine", [PAPER, SMALL, Machine.drawn(20, 4, 3, 0, n_digits=3)])
def test_a_row_is_bos_and_the_digits_of_states_along_edges(machine: Machine):
    rows = rollouts(machine, 200, 1 + 12 * machine.n_digits, draw())
    states = machine.states_of(rows[:, 1:])
    assert (rows[:, 0] == machine.bos_id).all() and (rows[:, 1:] < machine.base).all()
    assert states.shape == (200, 12) and (states >= 0).all()
    assert machine.edges[states[:, :-1], states[:, 1:]].all()


def test_the_last_state_is_cut_where_the_row_ends():
    whole, cut = rollouts(PAPER, 50, 9, draw()), rollouts(PAPER, 50, 8, draw())
    assert cut.shape == (50, 8)
    assert torch.equal(whole[:, :8], cut)


def test_the_generator_decides_the_rows():
    assert torch.equal(rollouts(PAPER, 9, 32, draw(1)), rollouts(PAPER, 9, 32, draw(1)))
    assert not torch.equal(rollouts(PAPER, 9, 32, draw(1)), rollouts(PAPER, 9, 32, draw(2)))


def test_starts_and_every_transition_are_uniform():
    walks = paths(SMALL, 40_000, 3, draw())
    starts = walks[:, 0].bincount(minlength=20) / 40_000
    assert torch.allclose(starts, torch.full((20,), 1 / 20), atol=0.006)
    counts = torch.zeros(20, 20).index_put_((walks[:, 1], walks[:, 2]), torch.ones(40_000), accumulate=True)
    shares = counts / counts.sum(dim=1, keepdim=True)
    reached = counts.sum(dim=1) > 1_000
    assert reached.sum() > 10
    assert torch.allclose(shares[reached], SMALL.edges[reached] / 4, atol=0.06)


def test_a_step_does_not_depend_on_the_start():
    walks = paths(SMALL, 40_000, 2, draw())
    slots = (SMALL.successors[walks[:, 0]] == walks[:, 1:]).float().argmax(dim=1)
    joint = (walks[:, 0] * 4 + slots).bincount(minlength=80) / 40_000
    assert torch.allclose(joint, torch.full((80,), 1 / 80), atol=0.003)


def test_each_token_belongs_to_its_state_and_the_last_digit_completes_it():
    labels = state_labels(SMALL, torch.tensor([[10, 1, 7, 0, 3, 1]]))
    assert labels.states.tolist() == [[-1, 17, 17, 3, 3, -1]]
    assert labels.completes.tolist() == [[False, False, True, False, True, False]]


def test_digits_that_write_no_state_complete_none():
    labels = state_labels(SMALL, torch.tensor([[10, 2, 0, 0, 10, 1, 2]], dtype=torch.int32))
    assert labels.states.tolist() == [[-1, -1, -1, -1, -1, 12, 12]]
    assert labels.completes.nonzero().tolist() == [[0, 6]]


@pytest.mark.parametrize("row_length", [1, 2, 3, 4, 33])
def test_the_completed_states_of_a_rollout_are_its_walk(row_length: int):
    machine = Machine.drawn(20, 4, 3, 0, n_digits=3)
    rows = rollouts(machine, 30, max(row_length, 2), draw())[:, :row_length]
    labels = state_labels(machine, rows)
    assert labels.states.shape == labels.completes.shape == rows.shape
    assert torch.equal(labels.states[labels.completes], machine.states_of(rows[:, 1:]).flatten())


@pytest.mark.parametrize(("row_length", "n_steps"), [(2, 1), (3, 1), (4, 2), (128, 64), (129, 64)])
def test_a_row_shows_as_many_states_as_have_a_digit_in_it(row_length: int, n_steps: int):
    assert n_steps_in(PAPER, row_length) == n_steps


def test_a_row_without_place_for_a_digit_is_refused():
    with pytest.raises(UsageError, match=r"no place for a digit: 1\."):
        rollouts(PAPER, 3, 1, draw())


def test_a_million_tokens_take_less_than_a_second():
    before = process_time()
    assert rollouts(PAPER, 7_813, 128, draw()).numel() > 1_000_000
    assert process_time() - before < 1
