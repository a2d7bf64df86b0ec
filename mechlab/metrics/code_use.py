"""How many codes are in use, and how evenly: the share alive, the entropy of their use, and its perplexity."""

from dataclasses import dataclass
from math import exp

from jaxtyping import Int64
from torch import Tensor

from mechlab.metrics.code_index import CodeIndex


@dataclass(frozen=True)
class CodeUse:
    """How the codes of a site, or of one of its groups, are used on a corpus.

    Codes used equally often have the perplexity `n_codes`, and the effective share 1; a single code in use has
    the perplexity 1. A code counts as alive from its first use: more text can only wake more.

    Attributes:
        group: None for all groups of the site together.
        n_uses: tokens and slots filled; a token counts once for each of its codes.
    """

    site: str
    group: int | None
    n_codes: int
    n_alive: int
    n_uses: int
    entropy_nats: float

    @property
    def alive_share(self) -> float:
        """Share of the codes used at least once."""
        return self.n_alive / self.n_codes

    @property
    def perplexity(self) -> float:
        """Number of codes that, used equally often, would have this entropy; 0 where none is used."""
        return exp(self.entropy_nats) if self.n_uses else 0.0

    @property
    def effective_share(self) -> float:
        """The perplexity as a share of the codes there are."""
        return self.perplexity / self.n_codes


def code_use(index: CodeIndex) -> tuple[CodeUse, ...]:
    """Return how codes are used at each site, and below it in each of its groups where there are several.

    Source: van den Oord et al. 2017, "Neural Discrete Representation Learning" (perplexity of code use); the share of
    codes alive is what Tamkin, Taufeeque & Goodman's model cards report, as its complement.
    """
    found = []
    for site, totals in index.totals.items():
        found.append(use_of(site, None, totals))
        groups = totals.split(index.books[site].n_codes)
        found += [use_of(site, group, own) for group, own in enumerate(groups)] if len(groups) > 1 else []
    return tuple(found)


def use_of(site: str, group: int | None, counts: Int64[Tensor, "n_codes"]) -> CodeUse:
    """Return how codes are used that were counted this often."""
    alive = counts[counts > 0].double()
    shares = alive / alive.sum()
    entropy = -(shares * shares.log()).sum().item()
    return CodeUse(site, group, len(counts), len(alive), int(counts.sum()), max(0.0, entropy))
