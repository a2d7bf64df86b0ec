"""Tokens in, activations at one site out: one vector per token."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from mechlab.activations.mixing import Block
from mechlab.core.config import digest
from mechlab.core.errors import UsageError
from mechlab.core.shapes import Tokens
from mechlab.corpora.rows import TokenRows
from mechlab.models.language_model import LanguageModel
from mechlab.models.sites import Site

HEADS_BEFORE_POSITIONS = ("scores", "pattern")


def activations_at(model: LanguageModel, tokens: Tokens, site: str | Site) -> Float[Tensor, "batch pos d_in"]:
    """Return the float32 activations at a site, heads laid side by side; the model is stopped behind the site.

    Args:
        model: the model.
        tokens: rows of token ids.
        site: where; a `pattern` or `scores` gives each query's heads x keys, so its width is the row's length x heads.
    """
    place = Site.parse(site, model.spec)
    activation = model.activations(tokens, [place])[str(place)]
    if place.kind in HEADS_BEFORE_POSITIONS:
        activation = activation.transpose(1, 2)
    return activation.flatten(2).float()


class RowSource:
    """The activations of token rows at one site, read by row number.

    Attributes:
        d_in: width of a vector.
        n_units: number of rows.
        unit_size: tokens per row.
        n_vectors: vectors in one pass over all rows, special tokens left out where asked.
        fingerprint: the hash of what determines the vectors.
    """

    def __init__(self, model: LanguageModel, rows: TokenRows, site: str | Site, *, skip_special: bool) -> None:
        self._model, self._rows, self._skip_special = model, rows, skip_special
        self._site = Site.parse(site, model.spec)
        self.device = model.device
        self.n_units, self.unit_size = len(rows), rows.row_length
        self.n_vectors = int((~rows.special).sum()) if skip_special else rows.n_tokens
        if self.n_vectors == 0:
            raise UsageError(
                "every token of the rows is special", value=rows.n_tokens, remedy="Use skip_special=False."
            )
        self.d_in = activations_at(model, rows.tokens[:1].long(), self._site).shape[-1]
        self.fingerprint = digest([model.fingerprint, rows.fingerprint, str(self._site), skip_special])

    def read(self, units: Int64[Tensor, " n"]) -> Block:
        """Return the vectors of some rows, row by row, special tokens marked where they are to be left out."""
        with torch.inference_mode():  # the model's own tensor, not a copy
            vectors = activations_at(self._model, self._rows.tokens[units].long(), self._site).flatten(0, 1)
        return Block(vectors, ~self._rows.special[units].flatten().numpy() if self._skip_special else None)
