"""The pieces of experiment 006: legal steps, states told by codes, purity, and acting as if in another state."""

import pytest
import torch
from experiment_pieces import pieces_of
from scipy.spatial.distance import jensenshannon

from mechlab.core.randomness import torch_generator
from mechlab.corpora.tokfsm.machine import Machine
from mechlab.corpora.tokfsm.rollouts import rollouts
from mechlab.dictionaries.codebook import Codebook, CodebookConfig
from mechlab.interventions.codebook_model import CodebookModel
from mechlab.models.huggingface import HuggingFaceModel

PLACE = "006_a_machine_in_codes"
MODULES = ("machine_model", "arms", "judging", "acting")
RECIPE = {"n_layers": 2, "n_heads": 2, "d_model": 16}


@pytest.fixture(scope="module")
def pieces():
    with pieces_of(PLACE, *MODULES) as found:
        yield found


@pytest.fixture(scope="module")
def machine() -> Machine:
    return Machine.drawn(n_states=20, n_edges=4)


@pytest.fixture(scope="module")
def model(pieces, machine) -> CodebookModel:
    plain = HuggingFaceModel(pieces.machine_model.new_model(machine, 16, RECIPE, 0))
    with torch.no_grad():  # at its first weights a model hardly looks at its tokens
        for parameter in plain.module.parameters():
            parameter.mul_(6 if parameter.ndim > 1 else 1)
    sites = ("z.0", "z.1", "mlp_out.0", "mlp_out.1")
    return CodebookModel(plain, {site: Codebook(CodebookConfig(d_in=16, n_codes=50), seed=4) for site in sites})


def test_rollouts_go_only_where_the_machine_goes(pieces, machine):
    states = machine.states_of(rollouts(machine, 30, 17, torch_generator(0, "test"))[:, 1:])
    assert bool(pieces.judging.legal_steps(machine, states).all())
    broken = states.clone()
    broken[:, 3] = -1
    legal = pieces.judging.legal_steps(machine, broken)
    assert not legal[:, 2:4].any() and bool(legal[:, :2].all())


def test_a_code_for_each_state_tells_it_and_shuffled_states_are_not_told(pieces):
    states = torch.arange(5).repeat_interleave(400)[torch.randperm(2000, generator=torch_generator(0, "order"))]
    noise = {"site": torch.randn(2000, 3, generator=torch_generator(0, "noise"))}
    told = pieces.judging.states_told(states[:, None] + 7, noise, states)
    assert (told["code_precision"], told["code_recall"], told["n_states"]) == (1, 1, 5)
    assert told["site_precision"] < 0.3
    shuffled = states[torch.randperm(2000, generator=torch_generator(1, "order"))]
    assert pieces.judging.states_told(states[:, None] + 7, noise, shuffled)["code_precision"] < 0.3


def test_a_neuron_that_is_high_in_one_state_tells_it_as_well(pieces):
    states = torch.arange(4).repeat_interleave(300)[torch.randperm(1200, generator=torch_generator(0, "order"))]
    neurons = {"site": torch.nn.functional.one_hot(states, 4).float()}
    assert pieces.judging.states_told(states[:, None], neurons, states)["site_precision"] == 1


def test_purity_counts_codes_with_one_input_only(pieces):
    inputs, codes = torch.tensor([1, 1, 2, 3, 3]), torch.tensor([5, 5, 6, 6, 7])
    assert pieces.judging.one_input_only(inputs, codes) == pytest.approx(2 / 3)


def test_the_divergence_is_scipys(pieces):
    one, other = (torch.rand(6, 9, generator=torch_generator(seed, "p")).softmax(-1) for seed in (0, 1))
    wanted = torch.from_numpy(jensenshannon(one.numpy(), other.numpy(), axis=1) ** 2)
    torch.testing.assert_close(pieces.acting.divergence(one, other), wanted.float(), rtol=1e-4, atol=1e-6)
    assert float(pieces.acting.divergence(torch.eye(3), torch.eye(3).flip(0)).max()) == pytest.approx(0.6931, abs=1e-3)


@torch.no_grad()
def test_next_states_are_the_product_of_two_digits(pieces, machine, model):
    rows = rollouts(machine, 5, 9, torch_generator(0, "rows"))
    found = pieces.acting.next_of(model, machine, pieces.acting.grown(machine, rows))
    assert torch.allclose(found.states.sum(-1), torch.ones(5), atol=1e-5)
    first = model.logits(rows)[:, -1, :10].softmax(-1)
    second = model.logits(torch.cat([rows, torch.full((5, 1), 3)], dim=1))[:, -1, :10].softmax(-1)
    torch.testing.assert_close(found.states.view(5, 10, 10)[:, 3], first[:, 3:4] * second)


def test_exchanging_all_codes_of_all_sites_moves_the_model_and_none_does_not(pieces, machine, model):
    left = pieces.acting.left_of_the_difference(model, machine, 20, seed=0)
    assert set(left) == {
        f"{sites}, {where}"
        for sites in ("all MLPs", "last MLP", "all attention")
        for where in ("state", "state and digit")
    }
    assert all(value != pytest.approx(1, abs=1e-3) for own in left.values() for value in own.values())
    rows = pieces.acting.grown(machine, rollouts(machine, 4, 9, torch_generator(0, "rows")))
    with torch.no_grad(), model.edit_codes({"mlp_out.1": lambda ids: ids}):
        before = pieces.acting.next_of(model, machine, rows)
    assert before.left(before, pieces.acting.Next(before.digits.flip(0), before.states.flip(0))) == {
        "next digit": pytest.approx(1),
        "next state": pytest.approx(1),
    }
