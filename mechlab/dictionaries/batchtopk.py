"""BatchTopK dictionary: a batch keeps k codes per vector on average; afterwards a threshold stands in for the batch.

1. Of all positive codes of a training batch, keep the `k * batch` largest.
2. A moving average of the smallest kept code is the threshold.
3. After training a code is kept if it exceeds the threshold, whatever else is in the batch.
"""

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float
from pydantic import Field, PositiveFloat, field_validator
from torch import Tensor

from mechlab.core.shapes import Codes
from mechlab.dictionaries.choosing import Chosen
from mechlab.dictionaries.dictionary import Losses
from mechlab.dictionaries.kept import KeptConfig, KeptDictionary
from mechlab.dictionaries.tiles import Tiles


class BatchTopKConfig(KeptConfig):
    """How many codes are kept, and how quickly the threshold that imitates it follows."""

    k: PositiveFloat = Field(default=32.0, description="Codes kept per vector, on average over the batch.")
    topk_threshold_lr: float = Field(
        default=0.01, gt=0.0, le=1.0, description="Weight of a batch in the moving average of the threshold."
    )

    @field_validator("k")
    @classmethod
    def _k_fits(cls, value: float, info: Any) -> float:
        if value > info.data.get("d_sae", value):
            raise ValueError(f"k is at most d_sae = {info.data['d_sae']}")
        return value


class BatchTopKDictionary(KeptDictionary[BatchTopKConfig]):
    """The largest codes of the whole batch are kept; the threshold that imitates it is averaged in double precision.

    Source: Bussmann et al. 2024, "BatchTopK Sparse Autoencoders", section 3. They average the threshold after
    training; as in SAELens it is a moving average during training.
    """

    kind = "batchtopk"
    Config = BatchTopKConfig
    saelens_architectures = ("batchtopk",)
    parallel = frozenset({"rows", "features"})
    undivided = frozenset({"b_dec", "W_skip", "topk_threshold"})
    topk_threshold: Float[Tensor, ""]

    def __init__(self, config: BatchTopKConfig, seed: int = 0) -> None:
        super().__init__(config, seed)
        self.register_buffer("topk_threshold", torch.zeros((), dtype=torch.float64))

    def activate(self, pre: Codes) -> Codes:
        """Return the positive codes above the threshold, in units of a unit direction where codes are rescaled."""
        contributions = self.contributions(pre).relu()
        return contributions * (contributions > self.topk_threshold.to(pre.dtype))

    def choose(self, tiles: Tiles) -> Chosen:
        """Return the `k * batch` largest positive codes of the batch."""
        return self.peers.best_of_batch(tiles, self.config.k)

    @torch.no_grad()
    def after_step(self, losses: Losses) -> None:
        """Move the threshold towards the smallest code this batch kept."""
        smallest = self.peers.smallest(losses.observed["compared"])
        if smallest is not None:
            rate = self.config.topk_threshold_lr
            self.topk_threshold.mul_(1 - rate).add_(rate * smallest.to(self.topk_threshold.dtype))

    def fold_scales(self, input_scale: float, target_scale: float) -> None:
        """Fold the scales; where codes are in units of the target, the threshold is too."""
        super().fold_scales(input_scale, target_scale)
        if self.config.rescale_acts_by_decoder_norm:
            self.topk_threshold.div_(target_scale)

    def to_saelens(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """Return a `jumprelu` SAE with one threshold for all features and unit directions, as SAELens saves this."""
        tensors = self.saelens_tensors()
        if self.config.rescale_acts_by_decoder_norm:
            norms = self.decoder_norms().detach().clamp(min=1e-8)
            tensors["W_enc"] *= norms
            tensors["b_enc"] *= norms
            tensors["W_dec"] /= norms[:, None]
        tensors["threshold"] = torch.full_like(tensors["b_enc"], self.topk_threshold.item())
        return {"architecture": "jumprelu"}, tensors

    def load_saelens(self, tensors: Mapping[str, Tensor]) -> None:
        """Take the parameters and the averaged threshold of a SAELens training checkpoint."""
        super().load_saelens(tensors)
        self.topk_threshold = tensors["topk_threshold"].detach().clone()
