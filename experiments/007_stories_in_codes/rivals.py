"""What codes are held against: an SAE's features, and the mean of a topic's tokens less that of all others."""

from typing import Any

import torch
from torch import Tensor

import mechlab
from mechlab.corpora.rows import TokenRows
from mechlab.dictionaries.topk import TopKDictionary
from mechlab.metrics.causes import Cause
from mechlab.models.language_model import LanguageModel

BATCH = 4096


def trained_sae(model: LanguageModel, rows: TokenRows, settings: dict[str, Any], seed: int) -> TopKDictionary:
    """Return a TopK dictionary of the model before there are codebooks."""
    n_batches = settings["n_batches"]
    mix = mechlab.StreamConfig(batch_size=BATCH, n_batches=n_batches, seed=seed)
    stream = mechlab.ActivationStream(model, rows, settings["site"], mix)
    config = mechlab.TopKConfig(d_in=stream.d_in, d_sae=settings["d_sae"], k=settings["k"])
    dictionary = TopKDictionary(config, seed=seed)
    mechlab.fit(dictionary, stream, mechlab.TrainConfig(n_tokens=n_batches * BATCH, batch_size=BATCH, lr=2e-3))
    return dictionary


@torch.no_grad()
def features_of(dictionary: TopKDictionary, vectors: Tensor) -> Tensor:
    """Return each feature's activation on each vector."""
    return torch.cat([dictionary.encode(part) for part in vectors.split(BATCH)])


@torch.no_grad()
def vectors_at(model: LanguageModel, rows: TokenRows, site: str) -> Tensor:
    """Return a site's activations on the scored tokens of rows."""
    return model.activations(rows.tokens.long(), [site])[site][~rows.special]


def mean_difference(vectors: Tensor, cause: Cause) -> Tensor:
    """Return the mean vector of a cause's tokens less that of all others."""
    return vectors[cause].mean(0) - vectors[~cause].mean(0)


def best_feature(features: Tensor, cause: Cause) -> int:
    """Return the feature that tells a cause best, by F1 of being active at all."""
    active = features > 0
    hits = active[cause].sum(0)
    return int((2 * hits / (active.sum(0) + int(cause.sum()))).argmax())
