"""A channel: one component of a head, and a later head that reads it."""

from dataclasses import dataclass

from mechlab.models.sites import Head, Mode


@dataclass(frozen=True)
class Channel:
    """One component of a head, and a later head that reads it.

    Attributes:
        sender: layer and head.
        component: its number in the sender's OV circuit, from the strongest.
        receiver: layer and head.
        mode: what the receiver reads it as: `q`, `k` or `v`.
        score: 0 to 1.
        z: standard deviations above the null.
        p: the chance of that.
        q: the share of false discoveries up to here.
        value: the component's singular value.
        share: its part of the sender's squared size.
        block: numbers of the first and the last component whose value is nearly the same; there a single one means
            nothing.
        read_component: the receiver's component that reads it best.
        cosine: between both, signed.
    """

    sender: Head
    component: int
    receiver: Head
    mode: Mode
    score: float
    z: float
    p: float
    q: float
    value: float
    share: float
    block: tuple[int, int]
    read_component: int
    cosine: float

    @property
    def name(self) -> str:
        """Return how it is spoken of: `3.1.0 -> 5.2 q`."""
        (layer, head), (to_layer, to_head) = self.sender, self.receiver
        return f"{layer}.{head}.{self.component} -> {to_layer}.{to_head} {self.mode}"
