"""ReLU dictionary with an L1 penalty on its codes, weighted by the norms of their directions or plain."""

from typing import Any

import torch
from pydantic import Field, NonNegativeFloat, NonNegativeInt
from torch import Tensor

from mechlab.core.shapes import Codes, Inputs, Targets
from mechlab.dictionaries.choosing import above, is_sparse
from mechlab.dictionaries.dense_path import decoded
from mechlab.dictionaries.dictionary import Dictionary, DictionaryConfig, Losses, StepContext, mean_squared_error
from mechlab.dictionaries.rectifier import Rectifier
from mechlab.dictionaries.schedules import warmed_up
from mechlab.dictionaries.sparse import Read, decode_kept, encode_kept


class ReluConfig(DictionaryConfig):
    """The L1 penalty.

    Without `l1_weighted_by_decoder_norm` the penalty is on the codes themselves; then train with a `unit` decoder, or
    codes shrink while directions grow and the penalty means nothing.
    """

    l1_coefficient: NonNegativeFloat = Field(default=1.0, description="Weight of the L1 penalty on codes.")
    l1_warm_up_steps: NonNegativeInt = Field(default=0, description="Steps over which the penalty grows from zero.")
    l1_weighted_by_decoder_norm: bool = Field(
        default=True, description="Weight each code by its decoder norm; else train with training.decoder=unit."
    )


class ReluDictionary(Dictionary[ReluConfig]):
    """Codes are `relu((x - b_dec) @ W_enc + b_enc)`.

    Source: Bricken et al. 2023, "Towards Monosemanticity", for the plain penalty with directions of norm one; the
    penalty weighted by decoder norms, which leaves the norms free, is Anthropic's "Update on how we train SAEs" (April
    2024) and the only one SAELens has.
    """

    kind = "relu"
    Config = ReluConfig
    dense_codes = 16
    in_tiles = True
    saelens_architectures = ("standard",)
    row_wise = True
    tiles_at_once = 2
    parallel = frozenset({"rows", "features"})

    def activate(self, pre: Codes) -> Codes:
        """Return the positive part."""
        return pre.relu()

    @torch.no_grad()
    def few_fire(self, inputs: Inputs) -> bool:
        """Return whether the codes of a few rows are so few that the loss should touch only those."""
        return self.peers.has_all_features and is_sparse(self.tiles(inputs))

    def sparse_loss(self, inputs: Inputs, targets: Targets, context: StepContext) -> Losses:
        """Return squared error plus the L1 penalty."""
        if context.few_fire:
            with torch.no_grad():
                tiles = self.tiles(inputs)
                chosen = above(tiles, 0.0)
            read = Read(chosen.contributions, tiles.centred, chosen.kept)
            codes = encode_kept(self.encoder, self.b_enc, self.centre, read)
            reconstruction = decode_kept(codes, self.W_dec, chosen.kept) + self.b_dec
            weights = self.decoder_norms()[chosen.kept.columns] if self.config.l1_weighted_by_decoder_norm else 1.0
            l1, (fired, l0) = (codes * weights).sum(), chosen.kept.fired(codes.detach())
        else:
            partial, sums, counts = decoded(inputs, Rectifier(), self.weights)
            reconstruction = self.peers.joined(partial, self.b_dec)
            # Codes are not negative, so the penalty needs only their sums over the batch.
            l1 = sums @ self.decoder_norms() if self.config.l1_weighted_by_decoder_norm else sums.sum()
            fired, l0 = counts > 0, counts.sum() / inputs.shape[0]
        coefficient = warmed_up(self.config.l1_coefficient, self.config.l1_warm_up_steps, context.step)
        penalty = coefficient * self.peers.over_features(l1) / inputs.shape[0]
        return Losses({"mse": mean_squared_error(reconstruction, targets), "l1": penalty}, reconstruction, fired, l0)

    def to_saelens(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """Return a `standard` SAE."""
        return {"architecture": "standard"}, self.saelens_tensors()
