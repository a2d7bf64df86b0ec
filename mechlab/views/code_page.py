"""The page of a model's codes: one HTML file to browse them in, searched, filtered and sorted without any network."""

from typing import Any

from mechlab.views.code_data import CauseMatch, CodeCard, CodePageData, Score
from mechlab.views.numbers import fixed, interval, measured, number, share
from mechlab.views.page import render_page
from mechlab.views.report_data import Context
from mechlab.views.tokens import alone, in_text

SCORES = ("f1", "precision", "recall")


def render_codes(data: CodePageData) -> str:
    """Return the page; the same data gives the same bytes."""
    grouped = {row.site for row in data.use if row.group is not None}
    return render_page(
        "codes.html.jinja",
        data,
        ["browse.js"],
        has_figures=False,
        sites=list(dict.fromkeys(card.site for card in data.codes)),
        cards=[code_parts(card, card.site in grouped) for card in data.codes],
        use=[_use(data, site) for site in dict.fromkeys(row.site for row in data.use)],
        has_causes=any(card.match for card in data.codes),
    )


def code_parts(card: CodeCard, grouped: bool) -> dict[str, Any]:
    """Return what a code's card and its entry in the list place: texts, and numbers to sort by.

    Args:
        card: the code.
        grouped: its site has several groups of codes.
    """
    words = [in_text(token).strip() for token, _ in card.tokens]
    most = card.tokens[0][1] if card.tokens else 1
    return {
        "place": f"code-{card.site.replace('.', '-')}-{card.code}",
        "site": card.site,
        "code": card.code,
        "group": f"group {card.group}" if grouped else "",
        "name": card.match.cause if card.match else " · ".join(list(dict.fromkeys(filter(None, words)))[:3]),
        "uses": number(card.n_uses),
        "share": share(card.share),
        "match": _match(card.match) if card.match else None,
        "shown": {"uses": number(card.n_uses)} | {name: _score(card.match, name) for name in SCORES},
        "order": {"uses": card.n_uses} | {name: _value(card.match, name) for name in SCORES},
        "tokens": [
            {"text": alone(token), "count": number(count), "width": f"{100 * count / most:.0f}"}
            for token, count in card.tokens
        ],
        "contexts": [_marks(context) for context in card.contexts],
    }


def _use(data: CodePageData, site: str) -> dict[str, Any]:
    rows = [row for row in data.use if row.site == site]
    lines = [
        {
            "name": row.site if row.group is None else f"group {row.group}",
            "codes": number(row.n_codes),
            "alive": number(row.n_alive),
            "alive_share": share(row.alive_share),
            "entropy": fixed(row.entropy_nats, 2),
            "perplexity": number(row.perplexity, 3),
            "effective_share": share(row.effective_share),
        }
        for row in rows
    ]
    whole = [line for line, row in zip(lines, rows, strict=True) if row.group is None]
    return {"site": site, "whole": whole, "groups": [line for line in lines if line not in whole]}


def _match(match: CauseMatch) -> dict[str, Any]:
    scores = {"precision": match.precision, "recall": match.recall, "F1": match.f1}
    rows = [{"name": name, "value": _in_digits(one), "interval": _around(one)} for name, one in scores.items()]
    return {"cause": match.cause, "scores": rows, "by_chance": fixed(match.by_chance, 2)}


def _in_digits(score: Score) -> str:
    return measured(score.interval) if score.interval else fixed(score.value, 2)


def _around(score: Score) -> str:
    return interval(score.interval) if score.interval else ""


def _score(match: CauseMatch | None, name: str) -> str:
    return fixed(_value(match, name), 2) if match else "–"


def _value(match: CauseMatch | None, name: str) -> float:
    return getattr(match, name).value if match else -1.0


def _marks(context: Context) -> list[dict[str, Any]]:
    marks: list[dict[str, Any]] = []
    for place, (token, activation) in enumerate(zip(context.tokens, context.activations, strict=True)):
        word = token.lstrip(" ") or token
        if activation > 0:
            _append_plain(marks, token[: len(token) - len(word)])
            marks.append({"text": alone(word), "on": True, "focus": place == context.focus})
        else:
            _append_plain(marks, in_text(token))
    return marks


def _append_plain(marks: list[dict[str, Any]], text: str) -> None:
    if marks and not marks[-1]["on"]:
        marks[-1]["text"] += text
    elif text:
        marks.append({"text": text, "on": False, "focus": False})
