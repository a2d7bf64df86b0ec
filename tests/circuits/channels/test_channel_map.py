"""The list of channels is what the tensors hold, cut as asked, and names what reads what."""

import dataclasses

import pytest
import torch
from circuits.channels.random_heads import random_heads, with_channel
from oracles.tiny_models import tiny

from mechlab.circuits.channels.channel_map import channel_map, of_circuits
from mechlab.circuits.channels.thin_svd import ThinSVD
from mechlab.core.errors import UsageError
from mechlab.models.huggingface import HuggingFaceModel

PLANTED = {"sender": (1, 2), "receiver": (4, 3)}


@pytest.fixture(scope="module")
def planted():
    circuits, _ = random_heads(n_layers=6, n_heads=6, d_model=192, d_head=16)
    return of_circuits(with_channel(circuits, PLANTED["sender"], PLANTED["receiver"], 2.0))


def test_the_planted_channel_leads_the_list_and_its_two_ends_point_the_same_way(planted):
    first = planted.channels(1)[0]
    assert (first.sender, first.receiver, first.mode) == (*PLANTED.values(), "q")
    assert abs(first.cosine) > 0.8 and first.q < 1e-6 and first.name.endswith("-> 4.3 q")


def test_every_number_of_a_channel_is_that_of_the_tensors(planted):
    for one in planted.channels(20):
        place = (*one.sender, one.component, *one.receiver)
        assert one.score == float(planted.scores[one.mode].component[place])
        found = planted.surprises[one.mode]
        assert (one.z, one.p, one.q) == (float(found.z[place]), float(found.p[place]), float(found.q[place]))
        values = planted.circuits.ov.values[one.sender]
        assert one.value == float(values[one.component])
        assert one.share == pytest.approx(float(values[one.component] ** 2 / (values**2).sum()))
        reader = planted.circuits.readers(one.mode)
        along = planted.circuits.ov.write[one.sender][:, one.component] @ reader.directions[one.receiver]
        best = (along * reader.strengths[one.receiver]).abs().argmax()
        assert one.read_component == int(best) and one.cosine == pytest.approx(float(along[best]))


def test_lists_run_downwards_over_all_modes_and_can_be_cut(planted):
    everything = planted.channels()
    n_pairs = 15 * 36
    assert len(everything) == 3 * n_pairs * 16
    assert [one.z for one in everything] == sorted((one.z for one in everything), reverse=True)
    assert planted.channels(7) == everything[:7]
    assert {one.mode for one in everything[:200]} == {"q", "k", "v"}
    own = planted.channels(**PLANTED)
    assert own == [one for one in everything if (one.sender, one.receiver) == tuple(PLANTED.values())]
    assert planted.channels(least_z=3.0) == [one for one in everything if one.z >= 3.0]
    assert planted.channels(most_q=0.05) == [one for one in everything if one.q <= 0.05]


def test_a_graph_joins_components_to_the_heads_that_read_them(planted):
    few = planted.channels(5)
    graph = planted.graph(few)
    assert [edge.effect for edge in graph.edges] == [one.z for one in few]
    first = graph.edges[0]
    assert graph.by_name[first.source].kind == "component" and first.target == "head.4.3" and first.route == "q"
    assert graph.by_name["head.4.3"].layer == 4


def test_components_of_nearly_the_same_size_name_their_block(planted):
    svd = planted.circuits.ov
    values = svd.values.clone()
    values[..., 2:5] = values[..., 2:3]
    alike = dataclasses.replace(planted.circuits, ov=ThinSVD(svd.read, values, svd.write))
    found = {one.component: one.block for one in of_circuits(alike, modes=("q",)).channels()}
    assert found[1] == (1, 1) and found[2] == found[3] == found[4] == (2, 4)


def test_a_model_is_processed_on_a_copy_and_scored_in_the_modes_asked_for():
    module = tiny("gpt2")
    before = {name: value.clone() for name, value in module.state_dict().items()}
    found = channel_map(HuggingFaceModel(module), modes=("k",), null="upstream")
    assert set(found.scores) == {"k"} and found.null == "upstream"
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


@pytest.mark.parametrize("head", [(9, 0), (0, 6), (-1, 0)])
def test_a_head_that_is_not_there_is_refused(planted, head):
    with pytest.raises(UsageError, match="no such head"):
        planted.channels(sender=head)
