"""Coefficients warm up as SAELens's do."""

import pytest
from sae_lens.training.optim import CoefficientScheduler

from mechlab.dictionaries.schedules import warmed_up


@pytest.mark.parametrize("warm_up_steps", [0, 1, 7])
def test_every_step_has_the_coefficient_saelens_gives_it(warm_up_steps: int) -> None:
    theirs = CoefficientScheduler(warm_up_steps=warm_up_steps, final_value=3.0)
    for step in range(10):
        assert warmed_up(3.0, warm_up_steps, step) == pytest.approx(theirs.value), step
        theirs.step()
