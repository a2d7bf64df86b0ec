"""Token rows in batches: in an order drawn once, any batch at any time, so that a run can go on where it was."""

from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from mechlab.core.randomness import torch_generator
from mechlab.corpora.rows import TokenRows


@dataclass(frozen=True, eq=False)
class RowBatches:
    """The rows of a text, a batch after the other; where the text ends it begins again."""

    tokens: Int[Tensor, "n_rows pos"]
    order: Int[Tensor, "n_rows"]
    batch_rows: int

    @classmethod
    def shuffled(cls, rows: TokenRows, batch_rows: int, seed: int = 0) -> "RowBatches":
        """Return the rows in an order drawn from a seed."""
        order = torch.randperm(len(rows), generator=torch_generator(seed, "order of rows"))
        return cls(rows.tokens, order, batch_rows)

    def batch(self, step: int) -> Int[Tensor, "rows pos"]:
        """Return the batch of a step."""
        places = (step * self.batch_rows + torch.arange(self.batch_rows)) % len(self.order)
        return self.tokens[self.order[places]].long()
