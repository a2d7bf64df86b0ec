"""Colours can be read: WCAG contrast, and hues that stay apart for colour-blind eyes."""

import pytest

from mechlab.views.palette import DARK, LIGHT, THEMES, Palette


def channels(colour: str) -> list[float]:
    return [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]


def luminance(rgb: list[float]) -> float:
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in rgb]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: list[float], other: list[float]) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_the_contrast_formula_agrees_with_the_published_extremes():
    assert contrast([0, 0, 0], [1, 1, 1]) == pytest.approx(21)
    assert contrast(channels("#777777"), [1, 1, 1]) == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("palette", THEMES, ids=lambda palette: palette.name)
@pytest.mark.parametrize("role", ["ink", "muted", "blue", "orange"])
@pytest.mark.parametrize("ground", ["paper", "panel"])
def test_text_can_be_read_on_its_ground(palette: Palette, role: str, ground: str):
    assert contrast(channels(getattr(palette, role)), channels(getattr(palette, ground))) >= 4.5


@pytest.mark.parametrize("palette", THEMES, ids=lambda palette: palette.name)
@pytest.mark.parametrize("strength", [0.0, 0.25, 0.5, 0.75, 1.0])
def test_a_token_can_be_read_at_every_activation(palette: Palette, strength: float):
    alpha = strength * palette.heat_most
    pairs = zip(channels(palette.heat), channels(palette.paper), strict=True)
    ground = [alpha * hot + (1 - alpha) * cold for hot, cold in pairs]
    assert contrast(channels(palette.ink), ground) >= 4.5


@pytest.mark.parametrize("palette", THEMES, ids=lambda palette: palette.name)
def test_opposite_signs_stay_apart_without_red_or_green_cones(palette: Palette):
    blue, orange = channels(palette.blue), channels(palette.orange)
    yellowness = [(r + g) / 2 - b for r, g, b in (blue, orange)]
    assert yellowness[0] < -0.1 < 0.1 < yellowness[1]


def test_the_palettes_become_css_properties():
    assert f"--ink:{LIGHT.ink};" in LIGHT.css()
    assert f"--heat-most:{DARK.heat_most};" in DARK.css()
