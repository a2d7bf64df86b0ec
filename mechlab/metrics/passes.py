"""Rows of tokens through a model, batch by batch: what every metric and portrait looks at."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from mechlab.core.progress import SILENT, Progress
from mechlab.corpora.rows import TokenRows
from mechlab.interventions.in_turn import LayeredCodec
from mechlab.interventions.splice import Codec
from mechlab.metrics.reference import Reference, next_token_log_probs
from mechlab.models.language_model import LanguageModel
from mechlab.models.route import Route, one_vector_each, side_by_side
from mechlab.models.sites import Site


@dataclass(frozen=True, eq=False)
class RowsAtSite:
    """A batch of rows and the activations of their tokens where a dictionary reads them."""

    rows: TokenRows
    tokens: Int[Tensor, "batch pos"]
    scored: Bool[Tensor, "batch pos"]
    inputs: Float[Tensor, "batch pos d_in"]


def at_site(
    model: LanguageModel,
    rows: TokenRows,
    site: str | Site | Route,
    batch_rows: int,
    name: str,
    progress: Progress = SILENT,
) -> Iterator[RowsAtSite]:
    """Yield the rows' activations at the sites read, the model stopped there; reports to one task called `name`."""
    sites = Route.of(site, model.spec).inputs
    with progress.task(name, rows.n_tokens, "tokens") as task:
        for batch, tokens, scored in _on_device(model, rows, batch_rows):
            inputs = side_by_side(one_vector_each(model.activations(tokens, sites), sites))
            yield RowsAtSite(batch, tokens, scored, inputs)
            task.advance(batch.n_tokens)


@torch.no_grad()
def reference_of(
    model: LanguageModel, rows: TokenRows, site: str | Site | Route, mean: Float[Tensor, "d_out"]
) -> Reference:
    """Return the rows before any dictionary, after the clean pass.

    Args:
        model: the model the rows are read by.
        rows: few enough to hold their logits in memory.
        site: where dictionaries stand in, or from where to where they go.
        mean: what mean ablation puts at the sites rebuilt.
    """
    route = Route.of(site, model.spec)
    ((_, tokens, scored),) = _on_device(model, rows, len(rows))
    with model.read(*route.sites) as read:
        clean = next_token_log_probs(model.logits(tokens))
        seen = {name: value.clone() for name, value in read.items()}
    inputs, targets = (side_by_side(one_vector_each(seen, sites)) for sites in (route.inputs, route.rebuilt))
    widths = {str(one): seen[str(one)].shape[-1] for one in route.rebuilt}
    return Reference(model, route, tokens, scored, inputs, targets, clean, mean, widths)


def how_replaced(model: LanguageModel, dictionary: Codec, site: str | Site | Route) -> str:
    """Return in words how reconstructions stand in at several sites; nothing where there is one."""
    rebuilt = Route.of(site, model.spec).rebuilt
    if len(rebuilt) == 1:
        return ""
    own = "that pass's own inputs, layer by layer; attention and norms are not frozen"
    codes = own if isinstance(dictionary, LayeredCodec) else "the clean pass, since they need all their inputs first"
    return f"All {len(rebuilt)} sites are replaced within one forward pass. Codes are computed from {codes}."


def _on_device(
    model: LanguageModel, rows: TokenRows, batch_rows: int
) -> Iterator[tuple[TokenRows, Int[Tensor, "batch pos"], Bool[Tensor, "batch pos"]]]:
    for start in range(0, len(rows), batch_rows):
        batch = rows.select(slice(start, start + batch_rows))
        yield batch, batch.tokens.to(model.device), ~batch.special.to(model.device)
