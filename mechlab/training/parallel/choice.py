"""The largest of values that several processes hold parts of: exactly as many as asked, as if one held them all.

1. Each finds its own share of the largest; the smallest of these, over all processes, bounds the answer from below.
2. All exchange what they have above that bound, which is little more than the answer.
3. Each makes the same choice among these and keeps what is its own.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from mechlab.core.shapes import Codes
from mechlab.dictionaries.peers import Chooser
from mechlab.training.parallel.group import Group


def largest_here(group: Group, values: Float[Tensor, "n"], count: int, choose: Chooser) -> Int[Tensor, "n_kept"]:
    """Return the ascending positions of those of everyone's `count` largest positive values that are here."""
    share = -(-count // group.n)
    own = values[choose(values, share)]
    bound = own.min() if 0 < share == len(own) else values.new_zeros(())
    bound = group.lowest_(bound.clone())
    candidates = ((values >= bound) & (values > 0)).nonzero().squeeze(1)
    everyones = group.gather_ragged(values[candidates])
    if sum(map(len, everyones)) <= count:
        return candidates
    best = torch.cat(everyones).topk(count, sorted=False).indices
    start = sum(map(len, everyones[: group.rank]))
    mine = best[(best >= start) & (best < start + len(candidates))] - start
    return candidates[mine.sort().values]


def best_of_rows_here(
    group: Group, values: Codes, k: int
) -> tuple[Int[Tensor, "batch few"], Bool[Tensor, "batch few"]]:
    """Return each row's largest columns here, and which of them are among everyone's k largest of the row.

    There must be k values in each row, all processes taken together.
    """
    own = values.topk(min(k, values.shape[1]), dim=-1, sorted=False)
    padded = values.new_full((len(values), k), -torch.inf)
    padded[:, : own.values.shape[1]] = own.values
    everyones = torch.cat(group.gather(padded), dim=1)
    best = everyones.topk(k, dim=-1, sorted=False).indices
    chosen = torch.zeros_like(everyones, dtype=torch.bool).scatter_(1, best, True)
    start = group.rank * k
    return own.indices, chosen[:, start : start + own.indices.shape[1]]
