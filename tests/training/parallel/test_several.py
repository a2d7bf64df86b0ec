"""In a crew of several the first writes, and all hear what it says."""

import torch
from oracles.thread_group import together

from mechlab.training.parallel import CREWS
from mechlab.training.parallel.several import SeveralPeers, dense_gradient


def test_the_first_writes_for_all_and_is_heard() -> None:
    for way in CREWS:
        crews = together(3, CREWS[way])
        assert [crew.is_writer for crew in crews] == [True, False, False]
        assert [(crew.rank, crew.n) for crew in crews] == [(0, 3), (1, 3), (2, 3)]
        assert together(3, lambda group, way=way: CREWS[way](group).first(group.rank + 9)) == [9, 9, 9]
        gathered = together(2, lambda group, way=way: CREWS[way](group).gather(torch.tensor([group.rank])))
        assert [[int(one) for one in ones] for ones in gathered] == [[0, 1], [0, 1]]


def test_rows_are_saved_by_one_and_features_by_each() -> None:
    saves = {way: together(2, lambda group, way=way: CREWS[way](group).saves) for way in CREWS}
    assert saves == {"rows": [True, False], "features": [True, True]}


def test_the_smallest_of_nobodys_values_is_none() -> None:
    assert together(2, lambda group: SeveralPeers(group).smallest(torch.zeros(0))) == [None, None]
    some = together(2, lambda group: SeveralPeers(group).smallest(torch.full((group.rank,), 4.0)))
    assert some == [4.0, 4.0]


def test_a_parameter_the_loss_did_not_reach_has_no_slope() -> None:
    parameter = torch.nn.Parameter(torch.ones(3))
    assert torch.equal(dense_gradient(parameter), torch.zeros(3))
    parameter.grad = torch.arange(6.0).view(2, 3).T[:, 0]
    assert dense_gradient(parameter).is_contiguous()
