import pytest
import torch

from mechlab.core.errors import UsageError
from mechlab.corpora.tokfsm.machine import Machine


def small(**changes) -> Machine:
    return Machine.drawn(**{"n_states": 20, "n_edges": 4, "seed": 0, **changes})


def test_the_paper_s_machine_has_686_trigrams_and_its_first_rows_are_known():
    machine = Machine.drawn()
    assert machine.trigrams.shape == (686, 3)
    assert machine.successors[0].tolist() == [96, 71, 8, 60, 41, 94, 68, 9, 19, 82]
    assert machine.successors[1].tolist() == [75, 39, 34, 62, 81, 17, 40, 46, 54, 88]


def test_a_trigram_is_a_state_and_the_first_digit_of_a_successor():
    machine = small()
    expected = {
        (state // 10, state % 10, after // 10)
        for state, successors in enumerate(machine.successors.tolist())
        for after in successors
    }
    assert sorted(map(tuple, machine.trigrams.tolist())) == sorted(expected)


def test_every_state_has_distinct_successors_and_the_seed_decides_them():
    machine = small()
    assert machine.successors.shape == (20, 4)
    assert all(len(set(row)) == 4 and set(row) <= set(range(20)) for row in machine.successors.tolist())
    assert torch.equal(machine.successors, small().successors)
    assert not torch.equal(machine.successors, small(seed=1).successors)


def test_an_edge_leads_to_each_successor_and_nowhere_else():
    machine = small()
    assert [row.nonzero().flatten().tolist() for row in machine.edges] == machine.successors.sort().values.tolist()


def test_states_are_written_as_digits_the_most_significant_first():
    machine = small()
    assert machine.tokens_of(torch.tensor([[7, 19], [10, 0]])).tolist() == [[0, 7, 1, 9], [1, 0, 0, 0]]
    assert small(base=3, n_digits=3).tokens_of(torch.tensor([19])).tolist() == [2, 0, 1]


@pytest.mark.parametrize(("base", "n_digits"), [(10, 2), (3, 3), (20, 1)])
def test_reading_undoes_writing(base: int, n_digits: int):
    machine = small(base=base, n_digits=n_digits)
    states = torch.arange(20).reshape(2, 10)
    assert torch.equal(machine.states_of(machine.tokens_of(states)), states)


def test_digits_that_write_no_state_are_minus_one_and_a_state_cut_short_is_left_out():
    machine = small()
    tokens = torch.tensor([1, 9, 2, 0, 1, machine.bos_id, machine.bos_id, 1, -1, 5, 0, 3, 1], dtype=torch.int32)
    assert machine.states_of(tokens).tolist() == [19, -1, -1, -1, -1, 3]


def test_bos_is_the_token_behind_the_digits():
    assert (Machine.drawn().bos_id, Machine.drawn().d_vocab) == (10, 11)


def test_more_states_than_the_digits_write_are_refused():
    with pytest.raises(UsageError, match=r"cannot write that many states: 101.*from 1 to 100"):
        Machine.drawn(n_states=101)


@pytest.mark.parametrize("n_edges", [0, 21])
def test_more_successors_than_states_or_none_are_refused(n_edges: int):
    with pytest.raises(UsageError, match=rf"cannot draw that many successors: {n_edges}.*From 1 to 20"):
        small(n_edges=n_edges)


@pytest.mark.parametrize("rows", [[[0, 0], [0, 1]], [[0, 2], [0, 1]], [[-1, 0], [0, 1]], [[], []]])
def test_successors_that_are_no_distinct_states_are_refused(rows: list[list[int]]):
    with pytest.raises(UsageError, match=r"no distinct states.*from 0 to 1"):
        Machine(torch.tensor(rows, dtype=torch.int64))
