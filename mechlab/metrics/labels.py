"""The known causes of a labelled corpus: one class per value of each label, and which tokens carry it."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int
from torch import Tensor


@dataclass(frozen=True)
class Classes:
    """Every value of every label as one class, numbered in order.

    Attributes:
        names: `label=value`, for example `emotion=joy`.
        first: the number of each label's first class.
    """

    names: tuple[str, ...]
    first: Mapping[str, int]

    @classmethod
    def of(cls, label_names: Mapping[str, tuple[str, ...]]) -> "Classes":
        """Return the classes of a corpus; none where it has no labels."""
        names, first = [], {}
        for label, values in label_names.items():
            first[label] = len(names)
            names += [f"{label}={value}" for value in values]
        return cls(tuple(names), first)

    def groups(
        self, labels: Mapping[str, Int[Tensor, "batch pos"]], scored: Bool[Tensor, "batch pos"]
    ) -> Int[Tensor, "n_families n_tokens"]:
        """Return, per label, the class of each scored token, or -1; the last line puts every token in one more group.

        A token without a value of a label is a negative for all its classes.
        """
        lines = [self._class_of(labels[label][scored], first) for label, first in self.first.items()]
        return torch.stack([*lines, torch.full((int(scored.sum()),), self.everything)])

    @property
    def everything(self) -> int:
        """The number of the group that holds all tokens: one past the last class."""
        return len(self.names)

    @staticmethod
    def _class_of(values: Int[Tensor, "n_tokens"], first: int) -> Int[Tensor, "n_tokens"]:
        return torch.where(values >= 0, values.long() + first, -1)
