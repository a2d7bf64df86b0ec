"""Operations are what their formulas say, and the strength at which each changes nothing is known."""

import math

import pytest

from mechlab.interventions.steering.operations import ALONG, CODES, FACTORS, changes_nothing

H, C = 2.5, 4.0  # the part along the direction, and the strength
FORMULAS = {
    "add": H + C,
    "ablate": H - C * H,
    "ablate_add": C,
    "project_clamp": C,
    "scale": C * H,
}
CODE_FORMULAS = {"clamp": lambda a: C, "min_clamp": lambda a: max(a, C), "scale": lambda a: C * a}


@pytest.mark.parametrize("operation", ALONG)
def test_the_part_along_a_direction_becomes_what_the_formula_says(operation):
    gain, shift = ALONG[operation](C)
    assert math.isclose(H + gain * H + shift, FORMULAS[operation])


@pytest.mark.parametrize("operation", CODES)
@pytest.mark.parametrize("code", [0.0, 1.5, 7.0])
def test_a_code_becomes_what_the_formula_says(operation, code):
    factor, constant, floor = CODES[operation](C)
    assert max(factor * code + constant, floor) == CODE_FORMULAS[operation](code)


@pytest.mark.parametrize("strength", [0.0, 1.0, -1.0, 0.5])
@pytest.mark.parametrize("operation", [*ALONG, *CODES])
def test_only_what_changes_nothing_whatever_there_is_may_be_left_out(operation, strength):
    if operation in ALONG:
        gain, shift = ALONG[operation](strength)
        alike = all(part + gain * part + shift == part for part in (-3.0, 0.0, 2.0))
    else:
        factor, constant, floor = CODES[operation](strength)
        alike = all(max(factor * code + constant, floor) == code for code in (0.0, 0.7, 3.0))
    assert changes_nothing(operation, strength) == alike


def test_factors_are_operations_whose_strength_has_no_unit():
    assert set(FACTORS) - {"activate"} <= {*ALONG, *CODES}
    assert not changes_nothing("activate", 1)
