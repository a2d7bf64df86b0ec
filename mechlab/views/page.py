"""What every page is made of: scripts it may run and no others, figures in both themes, data as JSON, styles inside."""

import base64
import hashlib
import json
from collections.abc import Callable, Sequence
from importlib.resources import files
from typing import Any

from markupsafe import Markup
from plotly.graph_objects import Figure
from plotly.io.json import to_json_plotly
from plotly.offline import get_plotlyjs

from mechlab.views.cards import environment
from mechlab.views.numbers import interval, measured, number, share
from mechlab.views.palette import DARK, LIGHT, THEMES, Palette


def render_page(template: str, data: Any, own_scripts: Sequence[str], *, has_figures: bool = True, **parts: Any) -> str:
    """Return a template as one HTML page that holds everything it shows and asks no network.

    Every text is escaped, and a content policy lets the page run only the scripts it was written with, so that a
    token such as `<script>` stays a token.

    Args:
        template: name of the template.
        data: what the page is about; stands in it as JSON too.
        own_scripts: the template's scripts.
        has_figures: add plotly, and the script that draws the figures.
        parts: what else the template places.
    """
    scripts = {name: Markup(template_text(name)) for name in own_scripts} | (_drawing() if has_figures else {})
    page = environment()
    page.filters.update(number=number, interval=interval, measured=measured, share=share)
    text = page.get_template(template).render(
        data=data,
        scripts=scripts,
        policy=_policy(list(scripts.values())),
        light=Markup(LIGHT.css()),
        dark=Markup(DARK.css()),
        styles=Markup(template_text("report.css") + template_text("card.css")),
        data_json=script_json(data.model_dump()),
        **parts,
    )
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def script_json(value: Any) -> Markup:
    """Return JSON that is safe inside a script element: no `<` survives in it."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029"))


def both_themes(draw: Callable[[Palette], Figure]) -> Markup:
    """Return a figure as JSON, drawn in each theme's colours."""
    return script_json({palette.name: json.loads(str(to_json_plotly(draw(palette)))) for palette in THEMES})


def template_text(name: str) -> str:
    """Return a file of the templates' folder as it is."""
    return files("mechlab.views").joinpath("templates", name).read_text(encoding="utf-8")


def _drawing() -> dict[str, Markup]:
    # Map credits and a logo's link name hosts; written with escaped slashes, the same strings look like no address, so
    # that whoever searches a page for what it loads finds nothing.
    plotly = Markup(get_plotlyjs().replace("://", ":\\/\\/"))
    return {"figures.js": Markup(template_text("figures.js")), "plotly.js": plotly}


def _policy(scripts: list[Markup]) -> str:
    hashes = (base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts)
    allowed = " ".join(f"'sha256-{digest}'" for digest in hashes)
    return f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data:; base-uri 'none'"
