"""Rows of tokens through a model and a dictionary, batch by batch: what every metric and portrait looks at."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from mechlab.core.errors import UsageError
from mechlab.core.progress import SILENT, Progress
from mechlab.corpora.rows import TokenRows
from mechlab.interventions.ablate import ablate
from mechlab.interventions.replace import replace
from mechlab.interventions.splice import Codec
from mechlab.metrics.metric import Batch
from mechlab.models.language_model import LanguageModel
from mechlab.models.sites import Site


@dataclass(frozen=True, eq=False)
class RowsAtSite:
    """A batch of rows and the activations of their tokens at a site."""

    rows: TokenRows
    tokens: Int[Tensor, "batch pos"]
    scored: Bool[Tensor, "batch pos"]
    inputs: Float[Tensor, "batch pos d_in"]


def at_site(
    model: LanguageModel, rows: TokenRows, site: str | Site, batch_rows: int, name: str, progress: Progress = SILENT
) -> Iterator[RowsAtSite]:
    """Yield the rows' activations at a site, the model stopped there; reports to one task called `name`."""
    with progress.task(name, rows.n_tokens, "tokens") as task:
        for batch, tokens, scored in _on_device(model, rows, batch_rows):
            (inputs,) = model.activations(tokens, [site]).values()
            yield RowsAtSite(batch, tokens, scored, _one_vector_per_token(inputs, site))
            task.advance(batch.n_tokens)


@torch.no_grad()
def reconstructed(
    model: LanguageModel, dictionary: Codec, site: str | Site, rows: TokenRows, mean: Float[Tensor, "d_in"]
) -> Batch:
    """Return one batch of rows with codes, reconstructions, and the model's passes with them in place.

    Args:
        model: the model the rows are read by.
        dictionary: what reconstructs.
        site: where.
        rows: few enough to hold their logits in memory.
        mean: what mean ablation puts at the site.
    """
    ((_, tokens, scored),) = _on_device(model, rows, len(rows))
    with model.read(site) as seen:
        clean = model.logits(tokens)
        (inputs,) = (value.clone() for value in seen.values())
    codes = dictionary.encode(_one_vector_per_token(inputs, site))
    outputs = dictionary.decode(codes)

    def logits(name: str) -> Float[Tensor, "batch pos d_vocab"]:
        if name == "clean":
            return clean
        edits = {
            "spliced": lambda: replace(model, site, lambda _: outputs, untouched=~scored),
            "zero": lambda: ablate(model, site, untouched=~scored),
            "mean": lambda: ablate(model, site, mean, untouched=~scored),
        }
        with torch.no_grad(), edits[name]():
            return model.logits(tokens)

    return Batch(tokens, scored, inputs, codes, outputs, logits)


def _on_device(
    model: LanguageModel, rows: TokenRows, batch_rows: int
) -> Iterator[tuple[TokenRows, Int[Tensor, "batch pos"], Bool[Tensor, "batch pos"]]]:
    for start in range(0, len(rows), batch_rows):
        batch = rows.select(slice(start, start + batch_rows))
        yield batch, batch.tokens.to(model.device), ~batch.special.to(model.device)


def _one_vector_per_token(activation: Tensor, site: str | Site) -> Float[Tensor, "batch pos d_in"]:
    if activation.ndim != 3:
        remedy = "Take a site with one vector per token, such as resid_post.0 or head.0.0."
        raise UsageError("site holds more than one vector per token", value=str(site), remedy=remedy)
    return activation
