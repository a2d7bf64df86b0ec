"""Vectors made of known directions, drawn and judged by SAELens's own synthetic-data module."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from sae_lens.synthetic import (
    ActivationGenerator,
    FeatureDictionary,
    eval_sae_on_synthetic_data,
    zipfian_firing_probabilities,
)
from torch import Tensor

from mechlab.core.randomness import sub_seed
from mechlab.dictionaries.dictionary import Dictionary
from mechlab.training.config import TrainConfig

from trainers import opened_by_saelens  # isort: skip

SAMPLES_AT_ONCE = 10_000


@dataclass
class Synthetic:
    """One seed's directions, how often each is on, the vectors drawn from them, and the judge."""

    settings: dict[str, Any]
    seed: int
    training: TrainConfig

    def __post_init__(self) -> None:
        world, n = self.settings["world"], self.settings["features"]
        self.truth = FeatureDictionary(n, world["width"], world["offset"], seed=self.seed).requires_grad_(False)
        chances = zipfian_firing_probabilities(n, world["exponent"], world["most_likely"], world["least_likely"])
        self.codes = ActivationGenerator(n, chances, world["spread"], world["magnitude"])

    @cached_property
    def batches(self) -> list[Tensor]:
        """Return the vectors every trainer sees."""
        with torch.random.fork_rng():
            torch.manual_seed(sub_seed(self.seed, "training samples"))
            return [self.truth(self.codes(self.training.batch_size)) for _ in range(self.training.n_steps)]

    def judged(self, dictionary: Dictionary) -> dict[str, float]:
        """Return SAELens's numbers, and the mean over true directions of the best cosine with a learned one."""
        sae = opened_by_saelens(dictionary)
        with torch.random.fork_rng():
            torch.manual_seed(sub_seed(self.seed, "held-out samples"))
            n_samples = self.settings["world"]["eval_samples"]
            found = eval_sae_on_synthetic_data(sae, self.truth, self.codes, n_samples, SAMPLES_AT_ONCE)
        return {
            "explained_variance": float(found.explained_variance),
            "l0": found.sae_l0,
            "true_l0": found.true_l0,
            "dead_share": found.dead_latents / sae.cfg.d_sae,
            "mcc": found.mcc,
            "mean_max_cosine": mean_max_cosine(self.truth.feature_vectors, sae.W_dec),
            "f1": found.classification.f1_score,
        }


@torch.no_grad()
def mean_max_cosine(truth: Tensor, learned: Tensor) -> float:
    """Return how near the nearest learned direction is to a true one, on average; signs count."""
    unit = torch.nn.functional.normalize
    return float((unit(truth, dim=-1) @ unit(learned, dim=-1).T).amax(1).mean())
