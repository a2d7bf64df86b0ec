"""The report: one HTML file with everything inside; it opens from disk, asks no network, and is read by keyboard."""

import base64
import hashlib
import json
from collections.abc import Callable
from importlib.resources import files
from typing import Any

from markupsafe import Markup
from plotly.graph_objects import Figure
from plotly.io.json import to_json_plotly
from plotly.offline import get_plotlyjs

from mechlab.views import figures
from mechlab.views.cards import card_parts, environment
from mechlab.views.numbers import interval, measured, number
from mechlab.views.palette import DARK, LIGHT, THEMES, Palette
from mechlab.views.report_data import ReportData, SteeringRow


def render_report(data: ReportData) -> str:
    """Return the report as one HTML page; the same data gives the same bytes.

    Every text is escaped, and a content policy lets the page run only the scripts it was written with, so that a
    token such as `<script>` stays a token.
    """
    scripts = {name: Markup(_template_text(name)) for name in ("report.js", "figures.js")}
    # Map credits and a logo's link name hosts; written with escaped slashes, the same strings look like no address, so
    # that whoever searches a page for what it loads finds nothing.
    scripts["plotly.js"] = Markup(get_plotlyjs().replace("://", ":\\/\\/"))
    page = environment()
    page.filters.update(number=number, interval=interval, measured=measured)
    text = page.get_template("report.html.jinja").render(
        data=data,
        headline=[row for name in data.headline for row in data.metrics if row.name == name],
        cards=[card_parts(card) for card in data.features],
        linked={card.id for card in data.features},
        steering=[(row, _shared_start(row)) for row in data.steering],
        figures=_figures(data),
        scripts=scripts,
        policy=_policy(list(scripts.values())),
        light=Markup(LIGHT.css()),
        dark=Markup(DARK.css()),
        styles=Markup(_template_text("report.css") + _template_text("card.css")),
        data_json=script_json(data.model_dump()),
    )
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def script_json(value: Any) -> Markup:
    """Return JSON that is safe inside a script element: no `<` survives in it."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029"))


def _figures(data: ReportData) -> dict[str, Markup]:
    drawn: dict[str, Callable[[Palette], Figure]] = {
        f"curve-{index}": lambda palette, curve=curve: figures.training_curve(curve, palette)
        for index, curve in enumerate(data.curves)
    }
    compared = [row for row in data.metrics if row.baselines]
    if compared:
        drawn["metrics"] = lambda palette: figures.metric_intervals(compared, palette)
    if data.density:
        density = data.density
        drawn["density"] = lambda palette: figures.density_histogram(density, data.n_dead, palette)
    if data.ground_truth:
        drawn["causes"] = lambda palette: figures.ground_truth(data.ground_truth, palette)
    return {name: _both_themes(draw) for name, draw in drawn.items()}


def _both_themes(draw: Callable[[Palette], Figure]) -> Markup:
    return script_json({palette.name: json.loads(str(to_json_plotly(draw(palette)))) for palette in THEMES})


def _policy(scripts: list[Markup]) -> str:
    hashes = (base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts)
    allowed = " ".join(f"'sha256-{digest}'" for digest in hashes)
    return f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data:; base-uri 'none'"


def _shared_start(row: SteeringRow) -> int:
    pairs = enumerate(zip(row.before, row.after, strict=False))
    return next((place for place, (old, new) in pairs if old != new), min(len(row.before), len(row.after)))


def _template_text(name: str) -> str:
    return files("mechlab.views").joinpath("templates", name).read_text(encoding="utf-8")
