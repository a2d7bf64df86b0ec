"""The largest of values that several processes hold parts of: exactly as many as asked, as if one held them all.

1. Each finds its own share of the largest; the smallest of these, over all processes, bounds the answer from below.
2. All exchange what they have above that bound, which is little more than the answer.
3. Each makes the same choice among these and keeps what is its own.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mechlab.dictionaries.choosing import Chosen, largest_of_batch
from mechlab.dictionaries.tiles import Tiles
from mechlab.training.parallel.group import Group


def best_of_batch_here(group: Group, tiles: Tiles, count: int) -> Chosen:
    """Return those of everyone's `count` largest positive contributions that are here."""
    own = largest_of_batch(tiles, count)  # one process may hold them all
    return own.only(largest_here(group, own.contributions, count))


def largest_here(group: Group, values: Float[Tensor, "n"], count: int) -> Bool[Tensor, "n"]:
    """Return which of the values here are among everyone's `count` largest positive ones."""
    share = -(-count // group.n)
    bound = values.new_zeros(())
    if 0 < share <= len(values):
        bound = values.topk(share, sorted=False).values.min().clamp(min=0.0)
    bound = group.lowest_(bound)
    candidates = ((values >= bound) & (values > 0)).nonzero().squeeze(1)
    everyones = group.gather_ragged(values[candidates])
    if sum(map(len, everyones)) > count:
        best = torch.cat(everyones).topk(count, sorted=False).indices
        start = sum(map(len, everyones[: group.rank]))
        candidates = candidates[best[(best >= start) & (best < start + len(candidates))] - start]
    return torch.zeros_like(values, dtype=torch.bool).index_fill_(0, candidates, True)


def best_of_rows_here(group: Group, values: Float[Tensor, "batch few"], k: int) -> Bool[Tensor, "batch few"]:
    """Return which of each row's values here are among everyone's k largest of the row.

    Here are the process's own k largest, or all it has if fewer. There must be k values in each row, all processes
    taken together.
    """
    padded = values.new_full((len(values), k), -torch.inf)
    padded[:, : values.shape[1]] = values
    everyones = torch.cat(group.gather(padded), dim=1)
    best = everyones.topk(k, dim=-1, sorted=False).indices
    chosen = torch.zeros_like(everyones, dtype=torch.bool).scatter_(1, best, True)
    start = group.rank * k
    return chosen[:, start : start + values.shape[1]]
