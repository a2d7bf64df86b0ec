"""The pages of all features: a list of them, and pages that show them; each one file, asking no network.

1. The list is one page with a line per feature; its lines lead to the pages that show them, `PER_PART` on each.
2. Numbers stand in each page as JSON; a script draws the lines, and the card of one feature at a time.
3. Texts are put into the page as text, never as markup.
"""

from typing import Any

from mechlab.metrics.feature_table import FeatureTable
from mechlab.views.feature_data import PER_PART, FeatureAbout, feature_list, feature_part, frequency_bars
from mechlab.views.numbers import number, share
from mechlab.views.page import render_page

INDEX_NAME = "report.html"
CHART_WIDTH, CHART_HEIGHT = 264, 64


def part_name(part: int) -> str:
    """Return the file name of one page of features."""
    return f"features-{part:03d}.html"


def render_feature_index(table: FeatureTable, about: FeatureAbout) -> str:
    """Return the page that lists all features; the same data gives the same bytes."""
    parts = [
        {"name": part_name(part), "first": part * PER_PART, "last": min((part + 1) * PER_PART, len(table)) - 1}
        for part in range(about.n_parts)
    ]
    return render_page(
        "feature_index.html.jinja",
        feature_list(table, about),
        ["feature_shared.js", "feature_index.js"],
        has_figures=False,
        about=about,
        parts=parts,
        chart=_chart(table),
        causes=[(place, name) for place, name in enumerate(table.facts.causes)],
        has_removals="removal_loss" in table.columns,
        has_logits="logits_top" in table.columns,
    )


def render_feature_part(table: FeatureTable, about: FeatureAbout, part: int) -> str:
    """Return one page of features; the same data gives the same bytes."""
    data = feature_part(table, about, part)
    return render_page(
        "feature_part.html.jinja",
        data,
        ["feature_shared.js", "feature_part.js"],
        has_figures=False,
        about=about,
        index_name=INDEX_NAME,
        last=data.first + len(data.features) - 1,
        before=part_name(part - 1) if part > 0 else "",
        after=part_name(part + 1) if part + 1 < about.n_parts else "",
    )


def _chart(table: FeatureTable) -> dict[str, Any] | None:
    bars = frequency_bars(table)
    if not bars:
        return None
    most, width = max(count for _, _, count in bars), CHART_WIDTH / len(bars)
    drawn = [
        {
            "x": f"{width * place:.1f}",
            "width": f"{width - 1:.1f}",
            "y": f"{CHART_HEIGHT * (1 - count / most):.1f}",
            "height": f"{CHART_HEIGHT * count / most:.1f}",
            "title": f"{number(count)} features fire on {share(10**left)} to {share(10**right)} of tokens",
        }
        for place, (left, right, count) in enumerate(bars)
    ]
    ends = {"low": share(10 ** bars[0][0]), "high": share(10 ** bars[-1][1])}
    return {"bars": drawn, "view_width": CHART_WIDTH, "view_height": CHART_HEIGHT} | ends
