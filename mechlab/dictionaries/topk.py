"""TopK dictionary: each vector keeps its k largest codes."""

from typing import Any

import torch
from pydantic import Field, PositiveInt, field_validator
from torch import Tensor

from mechlab.core.shapes import Codes
from mechlab.dictionaries.choosing import Chosen
from mechlab.dictionaries.kept import KeptConfig, KeptDictionary
from mechlab.dictionaries.tiles import Tiles


class TopKConfig(KeptConfig):
    """How many codes are kept."""

    k: PositiveInt = Field(default=32, description="Codes kept per vector.")

    @field_validator("k")
    @classmethod
    def _k_fits(cls, value: int, info: Any) -> int:
        if value > info.data.get("d_sae", value):
            raise ValueError(f"k is at most d_sae = {info.data['d_sae']}")
        return value


class TopKDictionary(KeptDictionary[TopKConfig]):
    """The k largest pre-activations of each vector are kept, then rectified.

    Source: Gao et al. 2024, "Scaling and evaluating sparse autoencoders", section 2.3; ranking by code times decoder
    norm is SAELens's `rescale_acts_by_decoder_norm`.
    """

    kind = "topk"
    Config = TopKConfig
    saelens_architectures = ("topk",)
    parallel = frozenset({"rows", "features"})
    codes_compete = True

    def activate(self, pre: Codes) -> Codes:
        """Return the k largest codes of each row, in units of a unit direction where codes are rescaled."""
        best = self.contributions(pre).topk(self.config.k, dim=-1, sorted=False)
        return torch.zeros_like(pre).scatter(-1, best.indices, best.values.relu())

    def choose(self, tiles: Tiles) -> Chosen:
        """Return the k largest of each row."""
        return self.peers.best_of_row(tiles, self.config.k)

    def to_saelens(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """Return a `topk` SAE."""
        cfg = {
            "architecture": "topk",
            "k": self.config.k,
            "rescale_acts_by_decoder_norm": self.config.rescale_acts_by_decoder_norm,
        }
        return cfg, self.saelens_tensors()
