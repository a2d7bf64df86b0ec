"""Examples parted into those a direction is fitted on and those it is scored on, whole groups at a time."""

import torch
from jaxtyping import Int64
from torch import Tensor

from mechlab.circuits.directions.examples import FEWEST, Examples
from mechlab.core.errors import UsageError
from mechlab.core.randomness import torch_generator


def held_out(examples: Examples, share: float, seed: int) -> tuple[Examples, Examples]:
    """Return the examples to fit on and those to score on; both have both classes.

    Groups that have both classes, the first alone or the second alone are drawn from apart, so that each part has the
    same share of each.

    Args:
        examples: all of them.
        share: of each kind of group, to score on; at least one group is left on either side.
        seed: of the draw.

    Raises:
        UsageError: there are too few independent groups to leave two of each class on either side.
    """
    generator = torch_generator(seed, "held-out examples")
    scored = torch.zeros(len(examples), dtype=torch.bool)
    for groups in strata(examples):
        order = groups[torch.randperm(len(groups), generator=generator)]
        n_out = min(max(round(share * len(groups)), 1), len(groups) - 1)
        scored |= torch.isin(examples.groups, order[:n_out])
    for part in (examples.positive[~scored], examples.positive[scored]):
        if min(int(part.sum()), int((~part).sum())) < FEWEST:
            value = f"{examples.n_positive} and {examples.n_negative} in {len(examples.groups.unique())} groups"
            remedy = "Give more (two of each class to fit on, two to score on), or held_out=0 for no scores."
            raise UsageError("too few independent examples to hold some out", value=value, remedy=remedy)
    return examples.select(~scored), examples.select(scored)


def strata(examples: Examples) -> list[Int64[Tensor, "some"]]:
    """Return the groups with both classes, with positives alone and with negatives alone; those there are."""
    groups = examples.groups.unique()
    has = torch.isin(groups, examples.groups[examples.positive])
    lacks = torch.isin(groups, examples.groups[~examples.positive])
    return [own for own in (groups[has & lacks], groups[has & ~lacks], groups[~has & lacks]) if len(own)]
