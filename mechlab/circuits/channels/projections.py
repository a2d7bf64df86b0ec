"""How much heads write along given directions, token by token, on text: one pass over the rows for all of them.

1. What head h writes is `z_h W_O`, so the amount along v is `z_h . (W_O v)`: one vector of a head's width for each
   direction, found once.
2. Rows go through the model batch by batch, stopped behind the deepest head asked for.
3. Only the amounts are kept.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Float32
from torch import Tensor

from mechlab.core.errors import UsageError
from mechlab.core.progress import SILENT, Progress
from mechlab.corpora.rows import TokenRows
from mechlab.models.language_model import LanguageModel
from mechlab.models.sites import Head, Site


@torch.no_grad()
def projections(
    model: LanguageModel,
    rows: TokenRows,
    heads: Sequence[Head],
    directions: Float[Tensor, "n d_model"],
    *,
    batch_rows: int = 16,
    progress: Progress = SILENT,
) -> Float32[Tensor, "n n_rows pos"]:
    """Return the amount that a head writes along a direction at every token, special ones included.

    A gain on attention's output counts, the norm before it does not: it divides all heads of a token alike.

    Args:
        model: processed as the directions were found.
        rows: the text.
        heads: whose write is looked at, one for each direction; a head may be there several times.
        directions: in the residual stream.
        batch_rows: rows in one pass.
        progress: where to report.

    Raises:
        UsageError: there is no such head, or heads and directions are not equally many.

    Source: Merullo, Eickhoff & Pavlick 2024, "Talking Heads" (arXiv 2406.09519; the activation of a component).
    """
    if len(heads) != len(directions):
        raise UsageError("each direction needs one head", value=f"{len(heads)} heads, {len(directions)} directions")
    for layer, head in heads:
        Site.parse(f"head.{layer}.{head}", model.spec)
    inner = _inner(model, heads, directions)
    sites = sorted({f"z.{layer}" for layer, _ in heads})
    found = torch.zeros(len(heads), len(rows), rows.row_length)
    with progress.task("what heads write", rows.n_tokens, "tokens") as task:
        for start in range(0, len(rows), batch_rows):
            batch = rows.tokens[start : start + batch_rows]
            read = model.activations(batch.long().to(model.device), sites)
            for (layer, head), (places, own) in inner.items():
                amounts = read[f"z.{layer}"][:, :, head].float() @ own
                found[places, start : start + len(batch)] = amounts.movedim(-1, 0).cpu()
            task.advance(batch.numel())
    return found


def _inner(
    model: LanguageModel, heads: Sequence[Head], directions: Float[Tensor, "n d_model"]
) -> dict[Head, tuple[list[int], Float[Tensor, "d_head m"]]]:
    """Return for each head: the places of its directions, and what meets its z to give the amounts along them."""
    layers = model.weights().layers
    found: dict[Head, tuple[list[int], Tensor]] = {}
    for layer, head in sorted(set(heads)):
        places = [place for place, one in enumerate(heads) if one == (layer, head)]
        out, gain = layers[layer].W_O[head].double(), layers[layer].ln1_post_w
        if gain is not None:
            out = out * gain
        found[layer, head] = places, (out @ directions[places].to(out).T).float()
    return found
