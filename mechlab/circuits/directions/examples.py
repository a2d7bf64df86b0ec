"""Labelled vectors at a site: some have what a direction is to stand for, the others have not.

Vectors of one group (a pair of prompts, a row of text) are not independent: they are held out, and redrawn, together.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from mechlab.core.errors import UsageError
from mechlab.core.randomness import torch_generator

FEWEST = 2


@dataclass(frozen=True, eq=False)
class Examples:
    """Vectors at one site of one model, each with a label.

    Attributes:
        site: where they were read, by its canonical name.
        model: the model's fingerprint.
        vectors: one a row.
        positive: which have what is asked for.
        groups: which are not independent of each other, by number.
        paired: whether every group is one vector that has it and one that has not.
    """

    site: str
    model: str
    vectors: Float[Tensor, "n d_site"]
    positive: Bool[Tensor, "n"]
    groups: Int64[Tensor, "n"]
    paired: bool = False

    def __post_init__(self) -> None:
        if not bool(self.vectors.isfinite().all()):
            raise UsageError("examples are not finite", value=self.site, remedy="Check what they were read from.")
        for name, n in (("positive", self.n_positive), ("negative", self.n_negative)):
            if n < FEWEST:
                remedy = f"Give at least {FEWEST} of each class; there are {self.n_positive} and {self.n_negative}."
                raise UsageError(f"too few {name} examples", value=n, remedy=remedy)
        if self.paired and not _are_pairs(self.positive, self.groups):
            remedy = "Every group needs one that has it and one that has not."
            raise UsageError("examples are not in pairs", value=len(self), remedy=remedy)

    def __len__(self) -> int:
        return len(self.vectors)

    @property
    def n_positive(self) -> int:
        """Return how many have it."""
        return int(self.positive.sum())

    @property
    def n_negative(self) -> int:
        """Return how many have it not."""
        return len(self.positive) - self.n_positive

    @property
    def differences(self) -> Float[Tensor, "n_pairs d_site"]:
        """Return, of each pair, the vector that has it less the one that has not.

        Raises:
            UsageError: the examples are not in pairs.
        """
        if not self.paired:
            remedy = "Pair the prompts one by one, or take the mean difference."
            raise UsageError("examples are not in pairs", value=len(self), remedy=remedy)
        sides = [self.vectors[own][self.groups[own].argsort()] for own in (self.positive, ~self.positive)]
        return sides[0] - sides[1]

    def select(self, which: Bool[Tensor, "n"]) -> "Examples":
        """Return some of them."""
        own = (self.vectors[which], self.positive[which], self.groups[which])
        return Examples(self.site, self.model, *own, self.paired)

    def shuffled(self, seed: int) -> "Examples":
        """Return the same vectors with labels that say nothing: pairs turned round at random, or all labels mixed."""
        generator = torch_generator(seed, "shuffled labels")
        if self.paired:
            numbers = self.groups.unique(return_inverse=True)[1]
            turned = torch.rand(int(numbers.max()) + 1, generator=generator) < 0.5
            labels = self.positive ^ turned[numbers]
        else:
            labels = self.positive[torch.randperm(len(self), generator=generator)]
        return Examples(self.site, self.model, self.vectors, labels, self.groups, self.paired)


def separate(
    site: str, model: str, positive: Float[Tensor, "n d_site"], negative: Float[Tensor, "m d_other"]
) -> Examples:
    """Return two sets of vectors as examples that are all independent of each other.

    Raises:
        UsageError: a set has fewer than two, or they differ in width or are not finite.
    """
    _refuse_other_width(positive, negative)
    labels = torch.arange(len(positive) + len(negative)) < len(positive)
    return Examples(site, model, torch.cat([positive, negative]).float(), labels, torch.arange(len(labels)))


def in_pairs(
    site: str, model: str, positive: Float[Tensor, "n d_site"], negative: Float[Tensor, "m d_other"]
) -> Examples:
    """Return pairs of vectors as examples: row i of one set belongs to row i of the other.

    Raises:
        UsageError: there are fewer than two pairs, or the sets differ in size or width or are not finite.
    """
    _refuse_other_width(positive, negative)
    if len(positive) != len(negative):
        value = f"{len(positive)} and {len(negative)}"
        raise UsageError("pairs need as many on either side", value=value, remedy="Pair them one by one.")
    labels, groups = torch.arange(2 * len(positive)) < len(positive), torch.arange(len(positive)).repeat(2)
    return Examples(site, model, torch.cat([positive, negative]).float(), labels, groups, paired=True)


def _refuse_other_width(positive: Tensor, negative: Tensor) -> None:
    if positive.shape[1] != negative.shape[1]:
        value = f"{positive.shape[1]} and {negative.shape[1]}"
        raise UsageError("examples differ in width", value=value, remedy="Read both sets at one site.")


def _are_pairs(positive: Tensor, groups: Tensor) -> bool:
    sides = [groups[own].sort().values for own in (positive, ~positive)]
    return bool(torch.equal(*sides)) and len(sides[0].unique()) == len(sides[0])
