"""A dictionary divided among several processes by its features, each of which sees the whole batch.

1. Every process holds an equal stretch of features, with their moments and counters.
2. Codes are chosen among everybody's; the reconstruction is the sum of what each process's codes stand for.
3. Its gradient is everywhere the same, so each process has the gradients of its own features by itself.
4. Parameters without features, like `b_dec`, are everywhere; their gradient's parts are summed.
"""

from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mechlab.core.errors import UsageError
from mechlab.core.shapes import Codes
from mechlab.dictionaries.choosing import Chosen, largest_of_rows
from mechlab.dictionaries.dictionary import Dictionary, Losses
from mechlab.dictionaries.tiles import Tiles
from mechlab.training.parallel.choice import best_of_batch_here, best_of_rows_here
from mechlab.training.parallel.group import Group
from mechlab.training.parallel.several import Several, SeveralPeers, dense_gradient
from mechlab.training.parallel.shards import divided, part_of, state_of_part, whole_of
from mechlab.training.state import TrainingState


class Summed(torch.autograd.Function):
    """The sum over processes; what each put in gets the gradient of the whole."""

    @staticmethod
    def forward(ctx: Any, partial: Tensor, group: Group) -> Tensor:
        """Return the sum."""
        return group.sum_(partial.clone(memory_format=torch.contiguous_format))

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:  # type: ignore[override]
        """Return the gradient as it is."""
        return grad, None


class FeaturePeers(SeveralPeers):
    """The others hold the dictionary's other features; every row is here."""

    has_all_features = False

    def over_features(self, partial: Float[Tensor, "*any"]) -> Float[Tensor, "*any"]:
        """Return the sum over all features."""
        return Summed.apply(partial, self._group)  # type: ignore[return-value]

    def once(self, everywhere: Float[Tensor, "*any"]) -> Float[Tensor, "*any"]:
        """Return what every process has, differentiable in the first alone: gradients are summed over processes."""
        return everywhere if self._group.rank == 0 else everywhere.detach()

    def count(self, here: int) -> int:
        """Return the sum over all processes."""
        return self._group.total(here)

    def best_of_row(self, tiles: Tiles, k: int) -> Chosen:
        """Return those of everybody's k largest contributions of each row that are here."""
        batch, d_sae = tiles.shape
        own = largest_of_rows(tiles, min(k, d_sae))
        return own.only(best_of_rows_here(self._group, own.contributions.view(batch, -1), k).flatten())

    def mask_of_best(self, values: Codes, k: int) -> Codes:
        """Return ones at those of everybody's k largest values of each row that are here."""
        own = values.topk(min(k, values.shape[1]), dim=-1, sorted=False)
        chosen = best_of_rows_here(self._group, own.values, k)
        return torch.zeros_like(values).scatter_(1, own.indices, chosen.to(values.dtype))

    def best_of_batch(self, tiles: Tiles, k: float) -> Chosen:
        """Return those of everybody's `k * rows` largest positive contributions that are here."""
        return best_of_batch_here(self._group, tiles, int(k * tiles.shape[0]))


class FeatureCrew(Several):
    """Each process works on its own features."""

    way = "features"

    def __init__(self, group: Group) -> None:
        super().__init__(group)
        self.peers = FeaturePeers(group)

    def refuse(self, d_sae: int, batch_size: int) -> None:
        """Raise UsageError where the features cannot be dealt out evenly."""
        if d_sae % self.n:
            remedy = f"Give a number of --features that {self.n} divides."
            raise UsageError(f"features do not divide among {self.n} processes", value=d_sae, remedy=remedy)

    def part(self, dictionary: Dictionary) -> Dictionary:
        """Return this process's features of a dictionary, as one of its own."""
        return part_of(dictionary, self.group.rank, self.group.n)

    @property
    def saves(self) -> bool:
        """Whether this process has part in writing checkpoints: each writes its own features."""
        return True

    def part_of_state(self, state: TrainingState, dictionary: Dictionary) -> TrainingState:
        """Return the state of this process's features."""
        return state_of_part(state, dictionary.undivided, dictionary.config.d_sae, self.rank)

    def own_tensors(self, state: TrainingState, dictionary: Dictionary) -> set[str]:
        """Return the names of the tensors that have an axis of features."""
        return divided(state, dictionary.undivided)

    def joined(self, dictionary: Dictionary) -> Dictionary:
        """Return the whole dictionary."""
        return whole_of(dictionary, self.group)

    def whole(self, losses: Losses) -> Losses:
        """Return the losses with everybody's codes counted; what fired is that of the features here."""
        return replace(losses, l0=self.group.sum_(losses.l0.detach().clone()))

    def reduce_gradients(self, dictionary: Dictionary) -> None:
        """Sum the parts of the gradients of parameters that are everywhere."""
        for name, parameter in dictionary.named_parameters():
            if name in dictionary.undivided:
                parameter.grad = self.group.sum_(dense_gradient(parameter))

    def gradient_norm(self, dictionary: Dictionary) -> Float[Tensor, ""]:
        """Return the norm over everybody's features; what is everywhere counts once."""
        named = dict(dictionary.named_parameters())
        here = [p.grad for name, p in named.items() if name not in dictionary.undivided and p.grad is not None]
        everywhere = [p.grad for name, p in named.items() if name in dictionary.undivided and p.grad is not None]
        squares = self.group.sum_(torch.nn.utils.get_total_norm(here).square())
        return (squares + torch.nn.utils.get_total_norm(everywhere).square()).sqrt()

    def dead_share(self, dead: Bool[Tensor, "d_sae"]) -> float:
        """Return which part of everybody's features is dead."""
        return self.group.total(int(dead.sum())) / (dead.numel() * self.group.n)
