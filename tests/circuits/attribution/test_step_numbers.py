"""Numbers and steps stand for one another, and a pattern fits the numbers of the steps that it fits."""

import pytest
import torch
from circuits.attribution.small_passes import small_pass

from mechlab.circuits.attribution.naming import source_node
from mechlab.circuits.attribution.path_filters import StepPattern
from mechlab.circuits.attribution.paths import ENDS, Step
from mechlab.circuits.attribution.step_numbers import StepNumbers


@pytest.fixture(scope="module", params=[("gpt2", False), ("llama", True)])
def numbers(request):
    family, bos = request.param
    _, frozen, sources = small_pass(family, n_pos=4, bos=bos)
    return StepNumbers(sources, frozen.spec.n_heads)


def test_columns_are_steps_with_the_names_of_their_nodes(numbers):
    for column in range(0, numbers.sources.n_columns):
        node = source_node(numbers.sources, column)
        step = numbers.step(column, node.position)
        assert step.name == (node.name if node.kind != "bos" else f"{node.name}@0")
        assert (step.kind, step.layer, step.position) == (node.kind, node.layer, node.position)


def test_every_step_is_found_again_by_what_it_is(numbers):
    sources = numbers.sources
    for number in range(numbers.n_steps):
        position = int(sources.position[number]) if number < len(sources.code) else None
        step = numbers.step(number, 2)
        own = step if step.kind in ("head", "skip", "bias") else None
        if own is not None:
            assert numbers.number(own) == number
        elif position is not None:
            assert numbers.number(numbers.step(number, position)) == number
    assert numbers.number(Step("feature", 0, 1, 99)) is None


def test_heads_read_positions(numbers):
    span = numbers.heads(1)
    step = numbers.step(span.start + 2 * numbers.n_pos + 3, 3)
    assert step == Step("head", 1, 3, 2, 3) and span.stop - span.start == numbers.n_heads * numbers.n_pos


def test_ends_go_nowhere(numbers):
    every = torch.arange(numbers.n_steps)
    goes_on = [numbers.step(number, 0).kind not in ENDS for number in every.tolist()]
    assert numbers.goes_on(every).tolist() == goes_on and any(goes_on) and not all(goes_on)


@pytest.mark.parametrize("text", ["head layer>0 source<2", "position=1", "feature number>3 position!=3", "error"])
def test_a_pattern_fits_the_numbers_of_the_steps_that_it_fits(numbers, text):
    pattern, positions = StepPattern.parse(text), torch.tensor([1, 3])
    found = numbers.fitting(pattern, positions)
    for row, position in zip(found, positions.tolist(), strict=True):
        assert row.tolist() == [pattern.fits(numbers.step(one, position)) for one in range(numbers.n_steps)]
    assert found.any() and not found.all()
