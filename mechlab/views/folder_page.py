"""The list of a folder's files as a page: links and nothing else."""

from collections.abc import Sequence
from urllib.parse import quote

from markupsafe import Markup

from mechlab.views.cards import environment
from mechlab.views.page import template_text
from mechlab.views.palette import DARK, LIGHT


def folder_page(path: str, names: Sequence[str]) -> str:
    """Return the page of a folder.

    Args:
        path: of the folder, from a slash to a slash.
        names: of what is in it, folders with a slash at their end; pages come first.
    """
    pages = sorted(names, key=lambda name: (not name.endswith(".html"), not name.endswith("/"), name))
    return environment().get_template("folder.html.jinja").render(
        path=path,
        entries=[(quote(name), name) for name in pages],
        light=Markup(LIGHT.css()),
        dark=Markup(DARK.css()),
        styles=Markup(template_text("report.css")),
    )  # fmt: skip
