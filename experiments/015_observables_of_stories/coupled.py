"""Do couplings tell how two observables go together on text? At every head, the slope of one's reading on the other's.

1. A head reads the stream behind its norm: a vector of one length. Its reading of an observable is the product with the
   handed-back direction, the norm's gain included.
2. The coupling says how far the second reading goes for one unit of the first, from the two directions alone.
3. Of vectors spread evenly over directions, r² would be the squared cosine of the two directions.
4. The slope is that of a least-squares line through all tokens of some text; rows are redrawn.
"""

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float64
from ranking import at_head, drawn_observables
from subject import Subject
from telling import told
from torch import Tensor

import mechlab
from mechlab.circuits.observables.parts import parts_of
from mechlab.core.randomness import torch_generator
from mechlab.corpora.rows import TokenRows
from mechlab.metrics.bootstrap import estimate
from mechlab.models.language_model import LanguageModel

Direction = Float64[Tensor, "d_model"]
Totals = Float64[Tensor, "n_draws 6"]


def coupled(subject: Subject, first: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return coupling, slope and r² of an observable with all others and with drawn ones, the longest heads first."""
    model, own = subject.model, subject.observables[first]
    draw = torch_generator(settings["seed"], "observables coupled")
    drawn = drawn_observables(model, settings["coupled_draws"], draw)
    others = [*(one for name, one in subject.observables.items() if name != first), *drawn]
    found: dict[str, Any] = {other.name: [] for other in others}
    for layer in range(model.spec.n_layers):
        heads = [(layer, head) for head in range(model.spec.n_heads)]
        directions = torch.stack(
            [torch.stack([at_head(model, one, head).stream for one in (own, *others)]) for head in heads]
        )
        sums = row_sums(model, subject.text, layer, directions.double(), settings["rows_at_once"])
        for head, vectors, by_other in zip(heads, directions.double(), sums, strict=True):
            for other, vector, of_rows in zip(others, vectors[1:], by_other, strict=True):
                named = {"head": f"{layer}.{head[1]}", "length": round(float(vectors[0].norm()), 4)}
                found[other.name].append(named | compared(vectors[0], vector, of_rows))
    for rows in found.values():
        rows.sort(key=lambda row: -row["length"])
    return {"n_tokens": int((~subject.text.special).sum()), "pairs": found}


@torch.no_grad()
def row_sums(
    model: LanguageModel,
    text: TokenRows,
    layer: int,
    directions: Float64[Tensor, "n_heads n d_model"],
    rows_at_once: int,
) -> Float64[Tensor, "n_heads n_others n_rows 6"]:
    """Return, for each row, the number of tokens and the sums of x, y, x², xy and y².

    x is a head's reading along its first direction, y along each of the others.
    """
    norm, parts = parts_of(model).norm(f"ln1.{layer}"), list[Tensor]()
    for tokens, special in zip(text.tokens.split(rows_at_once), text.special.split(rows_at_once), strict=True):
        stream = model.activations(tokens.long(), [f"resid_pre.{layer}"])[f"resid_pre.{layer}"].double()
        readings = torch.einsum("npd,hod->npho", norm.centred(stream) / norm.divisor(stream), directions)
        x, y, counts = readings[..., :1], readings[..., 1:], (~special).double()[:, :, None, None]
        each = [torch.ones_like(y), x.expand_as(y), y, x.square().expand_as(y), x * y, y.square()]
        parts.append(torch.stack([(one * counts).sum(1) for one in each], -1))
    return torch.cat(parts).permute(1, 2, 0, 3)


def compared(one: Direction, other: Direction, sums: Float64[Tensor, "n_rows 6"]) -> dict[str, Any]:
    """Return the coupling of two directions beside the measured slope, their ratio, r², and what r² would be."""
    told_of, back = mechlab.coupling(one, other), mechlab.coupling(other, one)
    return {
        "coupling": round(told_of, 4),
        "slope": told(estimate(sums, slope)),
        "coupling / slope": told(estimate(sums, lambda totals: told_of / slope(totals))),
        "r2": told(estimate(sums, squared_correlation)),
        "cosine, squared": round(told_of * back, 4),
    }


def slope(totals: Totals) -> Float64[Tensor, "n_draws"]:
    """Return the slope of y on x, by least squares with an intercept."""
    n, x, y, xx, xy, _ = totals.unbind(-1)
    return (xy - x * y / n) / (xx - x * x / n)


def squared_correlation(totals: Totals) -> Float64[Tensor, "n_draws"]:
    """Return the squared linear correlation of x and y."""
    n, x, y, xx, xy, yy = totals.unbind(-1)
    return (xy - x * y / n).square() / ((xx - x * x / n) * (yy - y * y / n))
