"""Directions of pairs as a published library fits them: principal components of the differences, centred."""

import numpy as np
import torch
from sklearn.decomposition import PCA


def centred_pca_direction(positive: torch.Tensor, negative: torch.Tensor) -> torch.Tensor:
    """Return the first component of the pairs' differences less their mean, turned to the positive side."""
    component = PCA(n_components=1).fit((positive - negative).double().numpy()).components_[0]
    ahead = np.mean((positive.double().numpy() @ component) > (negative.double().numpy() @ component))
    return torch.tensor(component if ahead >= 0.5 else -component)
