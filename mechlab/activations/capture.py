"""Tokens in, activations out: one vector per token, at one site or at several side by side."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from mechlab.activations.mixing import Block
from mechlab.core.config import digest
from mechlab.core.errors import UsageError
from mechlab.core.shapes import Tokens
from mechlab.corpora.rows import TokenRows
from mechlab.models.language_model import LanguageModel
from mechlab.models.route import side_by_side
from mechlab.models.sites import Site

HEADS_BEFORE_POSITIONS = ("scores", "pattern")


def activations_at(model: LanguageModel, tokens: Tokens, *sites: str | Site) -> Float[Tensor, "batch pos d_in"]:
    """Return the float32 activations at a site, heads laid side by side; the model is stopped behind the site.

    Args:
        model: the model.
        tokens: rows of token ids.
        sites: where; a `pattern` or `scores` gives each query's heads x keys, so its width is the row's length x heads.
            Several sites of the same pass stand side by side.
    """
    places = [Site.parse(site, model.spec) for site in sites]
    found = model.activations(tokens, places)
    return side_by_side([_one_vector_per_token(found[str(place)], place) for place in places])


class RowSource:
    """The activations of token rows at one site, or at several of the same pass, read by row number.

    Attributes:
        widths: of each site's part of a vector, in the order of the sites.
        d_in: width of a vector.
        n_units: number of rows.
        unit_size: tokens per row.
        n_vectors: vectors in one pass over all rows, special tokens left out where asked.
        fingerprint: the hash of what determines the vectors.
    """

    def __init__(
        self, model: LanguageModel, rows: TokenRows, site: str | Site | Sequence[Site], *, skip_special: bool
    ) -> None:
        self._model, self._rows, self._skip_special = model, rows, skip_special
        sites = [site] if isinstance(site, str | Site) else site
        self._sites = [Site.parse(one, model.spec) for one in sites]
        self.device = model.device
        self.n_units, self.unit_size = len(rows), rows.row_length
        self.n_vectors = int((~rows.special).sum()) if skip_special else rows.n_tokens
        if self.n_vectors == 0:
            raise UsageError(
                "every token of the rows is special", value=rows.n_tokens, remedy="Use skip_special=False."
            )
        self.widths = [activations_at(model, rows.tokens[:1].long(), one).shape[-1] for one in self._sites]
        self.d_in = sum(self.widths)
        names = [str(one) for one in self._sites]
        where = names[0] if len(names) == 1 else names
        self.fingerprint = digest([model.fingerprint, rows.fingerprint, where, skip_special])

    def read(self, units: Int64[Tensor, " n"]) -> Block:
        """Return the vectors of some rows, row by row, special tokens marked where they are to be left out."""
        with torch.inference_mode():  # the model's own tensor, not a copy
            vectors = activations_at(self._model, self._rows.tokens[units].long(), *self._sites).flatten(0, 1)
        return Block(vectors, ~self._rows.special[units].flatten().numpy() if self._skip_special else None)


def _one_vector_per_token(activation: Float[Tensor, "..."], site: Site) -> Float[Tensor, "batch pos d_in"]:
    if site.kind in HEADS_BEFORE_POSITIONS:
        activation = activation.transpose(1, 2)
    return activation.flatten(2).float()
