"""A search for a few components, and for what becomes of them, so that the item left costs the least among a list's.

1. A component's part `a` of what its head writes, or looks at, becomes `factor a + constant`. At `factor` 1 and
   `constant` 0, one gradient tells all components' slopes in both.
2. Those that promise most are tried: beside those chosen before, each follows its slopes for some steps (Adam), and
   ends at the mean of the later half of its way.
3. The one is kept with which the lists lose the least, and all follow their slopes together.
4. When there are enough, the one chosen first makes way for the one that is best beside the others, if that is better;
   and so the second.
5. An edit that costs too much on the corpus is taken back by quarters until it is within bounds.
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from components import Component
from jaxtyping import Float
from lists import Lists
from torch import Tensor
from torch.nn.functional import cross_entropy

from mechlab.core.randomness import torch_generator
from mechlab.corpora.rows import TokenRows
from mechlab.corpora.tasks.pairs import PromptPairs
from mechlab.interventions.component_edit import ComponentEdit, edit_components
from mechlab.metrics.next_token import row_losses
from mechlab.models.language_model import LanguageModel

ROWS_AT_ONCE, PARTS_A_STEP = 32, 3


@dataclass(frozen=True, eq=False)
class Choice:
    """A component and what becomes of it."""

    component: Component
    factor: float = 1.0
    constant: float = 0.0

    def edit(self) -> ComponentEdit:
        """Return the edit of the model."""
        one = self.component
        return ComponentEdit(one.circuit, one.layer, one.head, one.direction, self.factor, self.constant)

    def part(self, share: float) -> "Choice":
        """Return a share of the edit."""
        return Choice(self.component, 1 + share * (self.factor - 1), share * self.constant)


Choices = tuple[Choice, ...]


class Bench:
    """A model, the lists and rows that choices are made on, and how many lists were read for it."""

    def __init__(self, model: LanguageModel, lists: Lists, rows: TokenRows, most_nll: float) -> None:
        self.model, self.rows, self.most_nll = model, rows, most_nll
        starts = ((some, at) for some in lists for at in range(0, len(some), ROWS_AT_ONCE))
        self.parts = [some.select(slice(at, at + ROWS_AT_ONCE)) for some, at in starts]
        self.n_read = 0
        self._before = self._on_rows(())

    def loss(self, choices: Choices) -> float:
        """Return the nats that the item left costs among a list's, with components edited."""
        n = sum(map(len, self.parts))
        self.n_read += n
        with edited(self.model, choices), torch.no_grad():
            return sum(float(loss_among_items(self.model, pairs)) for pairs in self.parts) / n

    def slopes(self, parts: Sequence[PromptPairs], choices: Choices, components: Sequence[Component]) -> "Slopes":
        """Return the loss's slopes on some of the lists, at the choices."""
        self.n_read += sum(map(len, parts))
        found = [slopes_on(self.model, pairs, choices, components) for pairs in parts]
        n = sum(map(len, parts))
        factor, constant, square = (torch.stack(one).sum(0) / n for one in zip(*found, strict=True))
        return Slopes(factor, constant, square.sqrt())

    def within_bounds(self, choices: Choices) -> Choices:
        """Return the choices, or as much of them as leaves the loss on the corpus within bounds."""
        for share in (1.0, 0.75, 0.5, 0.25):
            own = tuple(one.part(share) for one in choices)
            if self._on_rows(own) <= self.most_nll * self._before:
                return own
        return tuple(one.part(0.0) for one in choices)

    def _on_rows(self, choices: Choices) -> float:
        with edited(self.model, choices):
            nats, n = row_losses(self.model, self.rows).sum(0).tolist()
        return nats / n


@dataclass(frozen=True)
class Slopes:
    """Of each component, the loss's slopes in factor and constant, and the root mean square of its part."""

    factor: Float[Tensor, "n_components"]
    constant: Float[Tensor, "n_components"]
    size: Float[Tensor, "n_components"]

    @property
    def promise(self) -> Float[Tensor, "n_components"]:
        """Return how steep the loss is, a constant counted in sizes."""
        return torch.hypot(self.factor, self.constant * self.size)


def edited(model: LanguageModel, choices: Choices):
    """Return a context in which components are edited."""
    return edit_components(model, [one.edit() for one in choices])


def loss_among_items(model: LanguageModel, pairs: PromptPairs) -> Tensor:
    """Return the nats that the items left cost among their lists', summed."""
    logits = model.logits(pairs.clean.to(model.device))[:, -1].float()
    candidates, right = pairs.candidates.to(model.device), pairs.is_right.float().argmax(1).to(model.device)
    return cross_entropy(logits.gather(1, candidates), right, reduction="sum")


def searched(bench: Bench, components: Sequence[Component], settings: dict[str, Any], seed: int) -> Choices:
    """Return what was found, of at most as many components as the settings allow."""
    chosen: Choices = ()
    draw = torch_generator(seed, "search")
    for _ in range(settings["most_components"]):
        chosen = with_one_more(bench, chosen, components, settings, draw)
    for _ in range(settings["second_thoughts"]):
        other = with_one_more(bench, chosen[1:], components, settings, draw)
        better = bench.loss(other) < bench.loss(chosen)
        chosen = other if better else chosen[1:] + chosen[:1]
    return chosen


def with_one_more(
    bench: Bench,
    chosen: Choices,
    components: Sequence[Component],
    settings: dict[str, Any],
    draw: torch.Generator,
) -> Choices:
    """Return the choices with the component beside which they do best, within bounds."""
    left = [one for one in components if all(one is not other.component for other in chosen)]
    promise = bench.slopes(bench.parts, chosen, left).promise
    order = promise.argsort(descending=True)[: settings["looked_at"]].tolist()
    n_steps, rate = settings["steps"], settings["rate"]
    tried = [followed(bench, (*chosen, Choice(left[row])), n_steps[0], rate[0], draw) for row in order]
    best = min(tried, key=bench.loss)
    more = followed(bench, best, n_steps[1], rate[1], draw)
    return bench.within_bounds(min((best, more), key=bench.loss))


def followed(bench: Bench, choices: Choices, n_steps: int, rate: float, draw: torch.Generator) -> Choices:
    """Return choices after steps down their slopes, each on a few parts of the lists."""
    components = [one.component for one in choices]
    size = bench.slopes(bench.parts[:1], (), components).size.clamp(min=1e-6)
    values = torch.tensor([[one.factor, one.constant] for one in choices])
    values[:, 1] /= size
    values.requires_grad_()
    optimizer = torch.optim.Adam([values], lr=rate, betas=(0.8, 0.95))
    way = []
    for _ in range(n_steps):
        picked = torch.randperm(len(bench.parts), generator=draw)[:PARTS_A_STEP].tolist()
        own = with_values(choices, values.detach(), size)
        found = bench.slopes([bench.parts[row] for row in picked], own, components)
        values.grad = torch.stack([found.factor, found.constant * size], dim=1)
        optimizer.step()
        way.append(values.detach().clone())
    return with_values(choices, torch.stack(way[n_steps // 2 :]).mean(0), size)


def with_values(choices: Choices, values: Float[Tensor, "n 2"], size: Float[Tensor, "n"]) -> Choices:
    """Return the choices with other factors, and constants counted in sizes."""
    pairs = zip(choices, values.tolist(), size.tolist(), strict=True)
    return tuple(Choice(one.component, factor, constant * own) for one, (factor, constant), own in pairs)


def slopes_on(
    model: LanguageModel, pairs: PromptPairs, choices: Choices, components: Sequence[Component]
) -> tuple[Tensor, Tensor, Tensor]:
    """Return, summed over lists, the slopes in factor and constant of each component, and its mean square."""
    before: dict[str, Tensor] = {}
    probes: dict[str, Tensor] = {}
    reads, writes = _sites(components)
    with ExitStack() as open_edits:
        open_edits.enter_context(torch.enable_grad())
        open_edits.enter_context(model.edit({site: _seeing(site, before) for site in reads}))
        open_edits.enter_context(edited(model, choices))
        open_edits.enter_context(model.edit({site: _probing(site, probes) for site in writes}))
        loss = loss_among_items(model, pairs)
    slopes = dict(zip(probes, torch.autograd.grad(loss, list(probes.values())), strict=True))
    found = [_slopes_of(model, one, before, slopes) for one in components]
    factor, constant, square = (torch.stack(one) for one in zip(*found, strict=True))
    return factor, constant, square * len(pairs)


def _sites(components: Sequence[Component]) -> tuple[list[str], list[str]]:
    """Return where parts are read, and where they are changed."""
    heads = sorted({f"head.{one.layer}.{one.head}" for one in components if one.circuit == "ov"})
    layers = sorted({one.layer for one in components if one.circuit == "qk"})
    return [*heads, *(f"ln1_normalized.{at}" for at in layers)], [*heads, *(f"q.{at}" for at in layers)]


def _seeing(site: str, seen: dict[str, Tensor]) -> Callable[[Tensor], Tensor]:
    def edit(value: Tensor) -> Tensor:
        seen[site] = value.detach()
        return value

    return edit


def _probing(site: str, probes: dict[str, Tensor]) -> Callable[[Tensor], Tensor]:
    def edit(value: Tensor) -> Tensor:
        probes[site] = torch.zeros_like(value, requires_grad=True)
        return value + probes[site]

    return edit


def _slopes_of(
    model: LanguageModel, one: Component, before: dict[str, Tensor], slopes: dict[str, Tensor]
) -> tuple[Tensor, Tensor, Tensor]:
    along = one.direction.float().to(model.device)
    if one.circuit == "ov":
        site = f"head.{one.layer}.{one.head}"
        amount, slope = before[site] @ along, slopes[site] @ along
    else:
        turned = along @ model.weights().layers[one.layer].W_Q[one.head].float()
        amount, slope = before[f"ln1_normalized.{one.layer}"] @ along, slopes[f"q.{one.layer}"][:, :, one.head] @ turned
    return (amount * slope).sum().cpu(), slope.sum().cpu(), amount.square().mean().cpu()
