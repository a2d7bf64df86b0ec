"""Prompt pairs: rows of a clean and a corrupted prompt of one length, what may follow, and where each role stands."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Bool, Int, Int64
from torch import Tensor

from mechlab.core.errors import UsageError
from mechlab.core.randomness import torch_generator

END = "END"
"""The role of the last position, whose next token is the answer."""


@dataclass(frozen=True, eq=False)
class PromptPairs:
    """Pairs of prompts that differ only in the tokens the corruption names.

    Attributes:
        task: which task they ask.
        clean: token ids, opened by the start token where the tokenizer has one; the answer comes next.
        corrupted: the same prompts with another cause.
        candidates: tokens that could be the answer.
        is_right: which candidates are right after the clean prompt; at least one is, and at least one is not.
        is_right_corrupted: the same after the corrupted prompt; none where the corruption leaves the answer undefined.
        positions: role -> its position in each row, the same in both prompts; `END` is the last position.
        facts: what each clean prompt and its corruption were made from.
    """

    task: str
    clean: Int[Tensor, "n pos"]
    corrupted: Int[Tensor, "n pos"]
    candidates: Int[Tensor, "n n_candidates"]
    is_right: Bool[Tensor, "n n_candidates"]
    is_right_corrupted: Bool[Tensor, "n n_candidates"]
    positions: Mapping[str, Int[Tensor, "n"]]
    facts: tuple[Mapping[str, Any], ...]

    def __len__(self) -> int:
        return self.clean.shape[0]

    def select(self, rows: slice | Int64[Tensor, "k"] | Bool[Tensor, "n"]) -> "PromptPairs":
        """Return only some of the pairs, in the order asked."""
        picked = torch.arange(len(self))[rows]
        return replace(
            self,
            clean=self.clean[picked],
            corrupted=self.corrupted[picked],
            candidates=self.candidates[picked],
            is_right=self.is_right[picked],
            is_right_corrupted=self.is_right_corrupted[picked],
            positions={role: where[picked] for role, where in self.positions.items()},
            facts=tuple(self.facts[row] for row in picked.tolist()),
        )

    def exchanged(self) -> "PromptPairs":
        """Return the pairs the other way round; the facts still speak of the prompts that were clean."""
        swapped = {"clean": self.corrupted, "corrupted": self.clean}
        return replace(self, **swapped, is_right=self.is_right_corrupted, is_right_corrupted=self.is_right)

    def halves(self, seed: int = 0) -> tuple["PromptPairs", "PromptPairs"]:
        """Return two halves drawn at random: one to choose by, one to test on; of an odd number the first has less.

        Raises:
            UsageError: there are fewer than two pairs.
        """
        if len(self) < 2:
            raise UsageError("prompt pairs cannot be halved", value=len(self), remedy="Draw more; two are the least.")
        order = torch.randperm(len(self), generator=torch_generator(seed, "halves of prompt pairs"))
        border = len(self) // 2
        return self.select(order[:border].sort().values), self.select(order[border:].sort().values)
