"""The map keeps what is noise grey and what is a discovery in colour; the histogram shows both counts."""

import math

from views.sample_channels import NOISE, sample_mode

from mechlab.views.channel_figures import noise_histogram, pair_map
from mechlab.views.palette import DARK, LIGHT


def test_discoveries_are_shaded_above_the_floor_and_noise_below_it():
    figure = pair_map(("0.0", "1.1"), ("1.0", "2.1"), sample_mode("q", "queries", 9.1), 0.05, LIGHT)
    (cells,) = figure.data
    shades = [[None if one is None or math.isnan(one) else one for one in row] for row in cells.z]
    assert shades[1][0] is None and shades[0][0] > max(shades[0][1], shades[1][1])
    assert cells.zmin - 0.02 <= shades[0][1] and shades[0][0] <= cells.zmax


def test_a_map_of_noise_alone_can_be_drawn_in_both_themes():
    for palette in (LIGHT, DARK):
        figure = pair_map(("0.0", "1.1"), ("1.0", "2.1"), sample_mode("k", "keys", None), 0.05, palette)
        assert len(figure.data) == 1 and "keys" in figure.layout.xaxis.title.text


def test_the_histogram_has_the_counts_and_what_chance_expects():
    bars, chance = noise_histogram(NOISE, 1.5, 0.05, LIGHT).data
    assert tuple(bars.y) == NOISE.counts and tuple(chance.y) == NOISE.expected and tuple(bars.x) == (-0.5, 0.5, 1.5)
