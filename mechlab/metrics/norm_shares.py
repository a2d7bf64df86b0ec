"""Where features write: each site's share of the norms of their directions, beside an untrained dictionary's.

1. A feature's directions at the sites have norms; each is divided by their sum, so that equal ones have a share of 1/n.
2. The shares of the features that fired are counted per site; a feature of one site alone stands at 1 there, at 0
   elsewhere.
3. The same is counted of an untrained dictionary, whose directions were drawn alike at all sites.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float
from torch import Tensor

N_BINS = 20


@runtime_checkable
class SharesNorms(Protocol):
    """A dictionary whose features have a direction at each of several sites: a crosscoder."""

    def relative_norms(self) -> Float[Tensor, "d_sae n_sites"]:
        """Return each site's share of the norms of each feature's directions."""
        ...


@dataclass(frozen=True)
class NormShares:
    """How the features' shares at one site are distributed: counts in equal bins from 0 to 1.

    Attributes:
        counts: of the features that fired.
        of_untrained: of all features of the untrained dictionary.
    """

    site: str
    counts: tuple[int, ...]
    of_untrained: tuple[int, ...]


def norm_shares(
    dictionary: Any, untrained: Any, fired: Bool[Tensor, "d_sae"], sites: Sequence[str]
) -> tuple[NormShares, ...]:
    """Return the distribution at each site; none for dictionaries that do not share norms among sites.

    Args:
        dictionary: what is judged.
        untrained: a fresh dictionary of the same kind and size.
        fired: which features did on the rows judged; the directions of others mean nothing.
        sites: that are rebuilt, in the dictionary's order.

    Source: Lindsey et al. 2024, "Sparse Crosscoders for Cross-Layer Features and Model Diffing", where relative decoder
    norms tell features of one model from shared ones; we take them of several layers too, and leave dead features out.
    """
    if not isinstance(dictionary, SharesNorms) or not isinstance(untrained, SharesNorms):
        return ()
    own, control = _counts(dictionary.relative_norms()[fired.cpu()]), _counts(untrained.relative_norms())
    return tuple(NormShares(*row) for row in zip(sites, own, control, strict=True))


def _counts(shares: Float[Tensor, "n_features n_sites"]) -> list[tuple[int, ...]]:
    shares = shares.detach().float().cpu()
    return [tuple(int(count) for count in torch.histc(column, N_BINS, 0.0, 1.0)) for column in shares.unbind(1)]
