"""What features of one layer add straight to a later feature, on average over a corpus.

1. By weights: the later feature's direction, pulled back to the earlier layer, once.
2. By text: codes over the norm's divisor, summed over all tokens that count, some rows at a time.
3. Their product is the sum of all effects at the same token.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mechlab.circuits.attribution.weight_views import feature_directions, pullback
from mechlab.core.errors import UsageError
from mechlab.corpora.rows import TokenRows
from mechlab.interventions.transcoder_set import TranscoderSet
from mechlab.models.language_model import LanguageModel

AT_ONCE = 32


@dataclass(frozen=True, eq=False)
class MeanConnections:
    """What features of a layer add straight to a later feature, over a corpus.

    Attributes:
        total: summed over the tokens that count.
        n_active: at how many of these each earlier feature was on.
        n_tokens: how many tokens count.
    """

    total: Float[Tensor, "n_features"]
    n_active: Int[Tensor, "n_features"]
    n_tokens: int

    @property
    def mean(self) -> Float[Tensor, "n_features"]:
        """Return the mean effect on the later feature, in its unit, at the tokens that count."""
        return self.total / max(self.n_tokens, 1)

    @property
    def frequency(self) -> Float[Tensor, "n_features"]:
        """Return at what part of the tokens that count each earlier feature was on."""
        return self.n_active / max(self.n_tokens, 1)


@torch.no_grad()
def mean_connections(
    model: LanguageModel,
    transcoders: TranscoderSet,
    rows: TokenRows,
    feature: tuple[int, int],
    source: int,
    *,
    where_on: bool = True,
) -> MeanConnections:
    """Return what the features of an earlier layer add straight to a later feature, over token rows in one pass.

    Args:
        model: who reads.
        transcoders: of all its layers.
        rows: the corpus; tokens that stand for no text do not count.
        feature: layer and number of the later feature.
        source: the earlier layer.
        where_on: only tokens at which the later feature is on count; else all.

    Raises:
        UsageError: the source is no earlier layer.

    Source: Dunefsky et al. 2024, "Transcoders Find Interpretable LLM Feature Circuits" (mean input times gradient).
    """
    layer, number = feature
    if not 0 <= source < layer:
        raise UsageError("source is no earlier layer", value=source, remedy=f"Give 0..{layer - 1}.")
    directions = feature_directions(model, transcoders, layer, [number])
    invariant = pullback(transcoders, directions, source, before=layer)[0]
    total, n_active, n_tokens = torch.zeros_like(invariant), torch.zeros_like(invariant, dtype=torch.long), 0
    places = [transcoders.site(source), transcoders.site(layer)]
    places += [f"ln2_scale.{layer}"] if transcoders.read_kind.endswith("_normalized") else []
    for some in torch.arange(len(rows)).split(AT_ONCE):
        found = model.activations(rows.tokens[some].long().to(model.device), places)
        read, later, *divisor = (found[place].flatten(0, 1).to(invariant) for place in places)
        codes, is_text = transcoders.codes(source, read), ~rows.special[some].flatten().to(read.device)
        counts = is_text & (transcoders.codes(layer, later)[:, number] != 0) if where_on else is_text
        held = counts / divisor[0][:, 0] if divisor else counts.to(codes)
        total += held @ codes
        n_active += (codes[counts] != 0).sum(0)
        n_tokens += int(counts.sum())
    return MeanConnections(total * invariant, n_active, n_tokens)
