"""The optimum against the published values, the enumeration of every row, and rows as they are drawn."""

from collections import defaultdict
from collections.abc import Iterator
from itertools import product
from math import log
from statistics import fmean, mode

import pytest
import torch

from mechlab.core.errors import UsageError
from mechlab.core.randomness import torch_generator
from mechlab.corpora.tokfsm.bayes import bayes_optimum
from mechlab.corpora.tokfsm.machine import Machine
from mechlab.corpora.tokfsm.rollouts import rollouts

UNEVEN = Machine(torch.tensor([[0, 1], [0, 1], [0, 2], [1, 0], [4, 0]]), base=3)


def every_row(machine: Machine, n_steps: int) -> dict[tuple[int, ...], float]:
    """Return the digits of every walk with its probability."""
    rows: dict[tuple[int, ...], float] = defaultdict(float)
    successors = machine.successors.tolist()
    for start, *slots in product(range(machine.n_states), *[range(machine.n_edges)] * (n_steps - 1)):
        walk = [start]
        for slot in slots:
            walk.append(successors[walk[-1]][slot])
        digits = tuple(machine.tokens_of(torch.tensor(walk)).tolist())
        rows[digits] += 1 / machine.n_states / machine.n_edges ** (n_steps - 1)
    return rows


def by_enumeration(machine: Machine, n_steps: int) -> tuple[list[float], list[float]]:
    """Return the loss and accuracy at each digit of a predictor that has seen every walk and knows the whole past."""
    mass: dict[tuple[int, ...], float] = defaultdict(float)
    for digits, chance in every_row(machine, n_steps).items():
        for end in range(len(digits) + 1):
            mass[digits[:end]] += chance
    losses, accuracies = [0.0] * (n_steps * machine.n_digits), [0.0] * (n_steps * machine.n_digits)
    for past, chance in mass.items():
        following = [mass[(*past, digit)] for digit in range(machine.base) if (*past, digit) in mass]
        if following:
            losses[len(past)] -= sum(each * log(each / chance) for each in following)
            accuracies[len(past)] += max(following)
    return losses, accuracies


@pytest.mark.parametrize(
    ("row_length", "loss_nats", "percent"),
    [(128, 1.17485, 46.378), (64, 1.19878, 45.606), (32, 1.24780, 44.023)],
)
def test_the_paper_s_machine_has_the_known_optimum(row_length: int, loss_nats: float, percent: float):
    optimum = bayes_optimum(Machine.drawn(), row_length)
    assert optimum.loss_nats == pytest.approx(loss_nats, abs=6e-6)
    assert 100 * optimum.accuracy == pytest.approx(percent, abs=6e-4)


@pytest.mark.parametrize(
    ("machine", "n_steps"),
    [
        (UNEVEN, 5),
        (Machine(UNEVEN.successors, base=5, n_digits=1), 5),
        (Machine.drawn(7, 3, 2, 1, n_digits=3), 4),
        (Machine.drawn(20, 4, seed=0), 3),
    ],
)
def test_no_predictor_that_has_seen_every_row_does_better_or_worse(machine: Machine, n_steps: int):
    losses, accuracies = by_enumeration(machine, n_steps)
    optimum = bayes_optimum(machine, 1 + len(losses))
    assert optimum.losses_nats.tolist() == pytest.approx(losses)
    assert optimum.accuracies.tolist() == pytest.approx(accuracies)


def chances_and_hits(options: list[str], word: str) -> Iterator[tuple[float, bool]]:
    """Yield the chance of each digit of a word drawn from the options, and whether it is the first guess."""
    for place, digit in enumerate(word):
        digits = [option[place] for option in options if option.startswith(word[:place])]
        yield digits.count(digit) / len(digits), digit == mode(digits)


def test_a_drawn_row_costs_the_optimum_on_average():
    machine, names = Machine.drawn(), [f"{state:02d}" for state in range(100)]
    after = {name: [names[i] for i in row] for name, row in zip(names, machine.successors.tolist(), strict=True)}
    scores = []
    for row in rollouts(machine, 8_000, 33, torch_generator(0, "monte carlo"))[:, 1:].tolist():
        walk = [f"{one}{two}" for one, two in zip(row[::2], row[1::2], strict=True)]
        for options, word in zip([names, *(after[word] for word in walk)], walk, strict=False):
            scores.extend(chances_and_hits(options, word))
    optimum = bayes_optimum(machine, 33)
    assert -fmean(log(chance) for chance, _ in scores) == pytest.approx(optimum.loss_nats, abs=0.005)
    assert fmean(hit for _, hit in scores) == pytest.approx(optimum.accuracy, abs=0.005)


def test_a_cut_row_has_the_same_scores_up_to_the_cut():
    machine = Machine.drawn(20, 4, seed=0)
    whole = bayes_optimum(machine, 21)
    for row_length in (2, 3, 4, 20):
        cut = bayes_optimum(machine, row_length)
        assert torch.allclose(cut.losses_nats, whole.losses_nats[: row_length - 1])
        assert torch.allclose(cut.accuracies, whole.accuracies[: row_length - 1])


def test_the_digits_of_a_state_together_cost_what_its_draw_costs():
    losses = bayes_optimum(Machine.drawn(), 129).losses_nats.unflatten(0, (64, 2)).sum(dim=1)
    assert losses.tolist() == pytest.approx([log(100)] + [log(10)] * 63)


def test_a_row_without_place_for_a_digit_is_refused():
    with pytest.raises(UsageError, match="no place for a digit"):
        bayes_optimum(Machine.drawn(), 1)
