"""A feature's card as HTML: coloured contexts, logit effects, activation histogram; on the page and in a notebook."""

import math
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from mechlab.views.numbers import fixed, number, share
from mechlab.views.palette import LIGHT
from mechlab.views.report_data import Context, FeatureCard, Histogram
from mechlab.views.tokens import alone, in_text

CHART_WIDTH, CHART_HEIGHT = 240, 72


@dataclass(frozen=True)
class CardView:
    """A feature card that a notebook shows as HTML."""

    card: FeatureCard

    def _repr_html_(self) -> str:
        return feature_card_html(self.card)


def feature_card_html(card: FeatureCard) -> str:
    """Return one feature's card as HTML with its own style; needs no script and no network."""
    template = environment().get_template("inline_card.html.jinja")
    return template.render(card=card_parts(card), palette_css=LIGHT.css())


def environment() -> Environment:
    """Return the templates' environment: every value is escaped, a missing one is an error."""
    loader = PackageLoader("mechlab.views", "templates")
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)


def card_parts(card: FeatureCard) -> dict[str, Any]:
    """Return what the card's template places: texts, strengths from 0 to 1, and the histogram's bars."""
    return {
        "id": card.id,
        "label": card.label,
        "note": card.note,
        "fires": _fires(card.density),
        "density": share(card.density),
        "most": number(card.max_activation, 3),
        "peaks": _peaks(card.contexts),
        "contexts": [_context(context, card.max_activation) for context in card.contexts],
        "logits": [
            {"name": "promotes", "sign": "up", "rows": _logits(card.positive_logits)},
            {"name": "suppresses", "sign": "down", "rows": _logits(card.negative_logits)},
        ],
        "histogram": _histogram(card.histogram, card.max_activation) if card.histogram else None,
    }


def _context(context: Context, most: float) -> dict[str, Any]:
    marks: list[dict[str, Any]] = []
    for place, (token, activation) in enumerate(zip(context.tokens, context.activations, strict=True)):
        strength = _strength(activation, most)
        focus = place == context.focus
        if strength or focus:
            word = token.lstrip(" ") or token
            title = f"{alone(token)}  activation {number(activation, 3)}"
            _append_plain(marks, token[: len(token) - len(word)])
            marks.append({"text": alone(word), "strength": f"{strength:.2f}", "title": title, "focus": focus})
        else:
            _append_plain(marks, in_text(token))
    return {"peak": number(context.activations[context.focus], 3), "marks": marks}


def _append_plain(marks: list[dict[str, Any]], text: str) -> None:
    if marks and not marks[-1]["title"]:
        marks[-1]["text"] += text
    elif text:
        marks.append({"text": text, "strength": "", "title": "", "focus": False})


def _logits(rows: tuple[tuple[str, float], ...]) -> list[dict[str, str]]:
    most = max((abs(value) for _, value in rows), default=0.0) or 1.0
    decimals = max(0, 2 - math.floor(math.log10(most)))
    return [
        {"token": alone(token), "value": fixed(value, decimals), "width": f"{100 * abs(value) / most:.0f}"}
        for token, value in rows
    ]


def _histogram(histogram: Histogram, most: float) -> dict[str, Any]:
    low, high = histogram.edges[0], histogram.edges[-1]
    tallest = math.log1p(max(histogram.counts)) or 1.0
    bars = []
    for left, right, count in zip(histogram.edges, histogram.edges[1:], histogram.counts, strict=False):
        height = CHART_HEIGHT * math.log1p(count) / tallest
        bars.append(
            {
                "x": f"{CHART_WIDTH * (left - low) / (high - low):.1f}",
                "width": f"{max(0.5, CHART_WIDTH * (right - left) / (high - low) - 1):.1f}",
                "y": f"{CHART_HEIGHT - height:.1f}",
                "height": f"{height:.1f}",
                "strength": f"{_strength((left + right) / 2, most):.2f}",
                "title": f"{number(left, 3)} to {number(right, 3)}: {number(count)} tokens",
            }
        )
    total = number(sum(histogram.counts))
    ends = {"low": number(low, 3), "high": number(high, 3), "total": total}
    return {"bars": bars, "view_width": CHART_WIDTH, "view_height": CHART_HEIGHT} | ends


def _strength(activation: float, most: float) -> float:
    return min(1.0, max(0.0, activation / most)) if most > 0 else 0.0


def _fires(density: float) -> str:
    return f"1 token in {number(round(1 / density), 3)}" if density > 0 else "no token of the sample"


def _peaks(contexts: tuple[Context, ...]) -> list[str]:
    spoken = (in_text(context.tokens[context.focus]).strip() for context in contexts)
    return list(dict.fromkeys(word for word in spoken if word))[:4]
