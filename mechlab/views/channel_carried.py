"""What channels carry, as plain frozen values: tokens at their ends, causes they tell apart, features along them."""

from pydantic import Field, NonNegativeInt

from mechlab.core.config import Config
from mechlab.core.estimate import Estimate


class Along(Config):
    """A token or a feature, its part along a direction, and that in standard deviations of chance."""

    name: str
    part: float
    z: float


class EndRow(Config):
    """Tokens or features along one direction of a channel.

    Attributes:
        name: whose direction, and what is laid along it.
        most: those with the largest parts.
        least: those with the smallest; of features none, since `most` has them by size.
        largest_z: of all n, whatever its sign.
        p_largest: the chance that a random direction has one as surprising.
        p_drawn: the share of directions like those of this model's heads that have.
        share_beyond: of all n, the share that chance reaches at `rate`.
    """

    name: str
    most: tuple[Along, ...]
    least: tuple[Along, ...] = ()
    largest_z: float
    p_largest: float
    p_drawn: float
    share_beyond: float
    n: NonNegativeInt


class CauseRow(Config):
    """A known cause that a component's amount tells apart, beside its nulls; AUC of all are on one side of 1/2.

    Attributes:
        reading: `amount`, with its sign, or `size`.
        shuffled: the farthest of all shuffles of the labels.
        drawn: the farthest of all directions drawn in the same head.
        n_as_far: drawn directions that are at least as far as the component.
    """

    name: str
    n_positives: NonNegativeInt
    reading: str
    auc: Estimate
    shuffled: float
    drawn: float
    n_as_far: NonNegativeInt

    @property
    def said(self) -> str:
        """Return in words how the cause's tokens differ: `amount larger`, `size smaller`."""
        return f"{self.reading} {'larger' if self.auc.value >= 0.5 else 'smaller'}"

    @property
    def is_beyond(self) -> bool:
        """Return whether the whole interval lies farther from 1/2 than both nulls."""
        side = 1 if self.auc.value >= 0.5 else -1
        nearest = min(side * (bound - 0.5) for bound in (self.auc.low, self.auc.high))
        return nearest > max(side * (null - 0.5) for null in (self.shuffled, self.drawn))


class CarriedChannel(Config):
    """One channel and what it carries.

    Attributes:
        name: as `2.3.5 -> 3.1 v`.
        sender: layer and head, as `2.3`.
        receiver: likewise.
        tokens: at its ends.
        causes: the best one first.
        features: of a dictionary along its ends; none without one.
    """

    name: str
    sender: str
    receiver: str
    mode: str
    z: float
    cosine: float
    tokens: tuple[EndRow, ...]
    causes: tuple[CauseRow, ...] = ()
    features: tuple[EndRow, ...] = ()

    @property
    def verdict(self) -> str:
        """Return one sentence on its causes."""
        if not self.causes:
            return "No known causes were looked for."
        names = [cause.name for cause in self.causes if cause.is_beyond]
        return f"Told beyond both nulls: {', '.join(names)}." if names else "No known cause is told beyond both nulls."


class CarriedData(Config):
    """What the first channels carry.

    Attributes:
        channels: the largest z first.
        text: what was read, in words; empty without text.
        dictionary: whose features, in words; empty without one.
        n_directions: drawn in each head, and shuffles of the labels.
        n_classes: causes to choose from.
        rate: of `share_beyond`.
    """

    channels: tuple[CarriedChannel, ...]
    text: str = ""
    dictionary: str = ""
    n_directions: NonNegativeInt = 0
    n_classes: NonNegativeInt = 0
    rate: float = Field(0.01, gt=0, lt=1)
