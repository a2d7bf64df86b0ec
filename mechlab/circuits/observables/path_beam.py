"""Paths through values that bring most to an observable of prompt pairs, found from the logits down.

1. Begin with the observable's direction in front of the last norm, at the last position.
2. Below an open path are all heads, at every token they read, and all MLPs that it hears, down from the layer directly
   below and with the heads of its own layer in front of an MLP; and the token itself, where a path ends.
3. A step brings how far what it writes differs between the prompts, along the path's direction there: a head writes
   the values of each prompt by the clean prompt's pattern (`ov_patching`).
4. Of the steps found, those that bring most stay open, as many as the beam is wide. Their directions are handed back
   through them, at the clean prompt's points (`pulling`).
5. Go on until nothing is open. With a beam of any width every path is found.

Source: Observable Propagation (arXiv 2312.16291; ICML 2024), greedy search for paths. There the layer directly below,
the last MLP and heads of an MLP's own layer were left out.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from pydantic import PositiveInt
from torch import Tensor

from mechlab.circuits.attribution.path_graph import paths_graph
from mechlab.circuits.attribution.paths import Path, Step, largest
from mechlab.circuits.graph import Graph
from mechlab.circuits.observables.observable import Observable
from mechlab.circuits.observables.pair_streams import PairStreams, pair_streams
from mechlab.circuits.observables.parts import Parts, parts_of
from mechlab.circuits.observables.pulling import NormRules, StopPoint, pulled_through
from mechlab.circuits.observables.stops import LOGITS, Stop
from mechlab.circuits.observables.value_paths import handed_on
from mechlab.core.config import Config
from mechlab.core.errors import UsageError
from mechlab.corpora.tasks.pairs import PromptPairs
from mechlab.models.language_model import LanguageModel

Directions = Float[Tensor, "n d_model"]


class BeamSearch(Config):
    """How widely paths are searched.

    Attributes:
        beam: how many paths stay open after every step; None for all.
        longest: how many steps a path may have, the observable among them; None for any number.
        complete: only paths that begin with a token; else every path on the way counts as one.
        norms: how directions are handed back through norms.
    """

    beam: PositiveInt | None = 20
    longest: PositiveInt | None = None
    complete: bool = False
    norms: NormRules = NormRules()


@torch.no_grad()
def observable_paths(
    model: LanguageModel,
    pairs: PromptPairs,
    observable: Observable,
    *,
    n: int | None = 20,
    search: BeamSearch | None = None,
) -> tuple[Path, ...]:
    """Return the paths found that bring most to the observable, the largest first, whatever their sign.

    Effects are means over the prompts of clean less corrupted, in nats; positions are those of all prompts.

    Args:
        model: the model.
        pairs: prompts of one template, so that a position means the same in all.
        observable: what paths bring to, at the last position.
        n: how many; None is all that were found.
        search: how widely.

    Raises:
        UsageError: there is no prompt, the model is not Hugging Face's, or its parts write through norms.

    Source: Observable Propagation (arXiv 2312.16291), greedy search for paths.
    """
    if not len(pairs):
        raise UsageError("no prompts to search paths in", value=0, remedy="Pass at least one pair.")
    asked = search or BeamSearch()
    walk = _Walk(parts_of(model), pair_streams(model, pairs), asked.norms)
    paths, found, length = [walk.start(observable, pairs.clean.shape[1] - 1)], list[Path](), 1
    while paths and length != asked.longest:
        below = [one for path in paths for one in walk.below(path)]
        below.sort(key=lambda one: -abs(one.effect))
        ended = [one.path() for one in below if one.stop is None or not asked.complete]
        found, length = list(largest([*found, *ended], n)), length + 1
        paths = [walk.opened(one) for one in [one for one in below if one.stop is not None][: asked.beam]]
    return largest(found, n)


def observable_graph(
    model: LanguageModel,
    pairs: PromptPairs,
    observable: Observable,
    *,
    n: int | None = 20,
    search: BeamSearch | None = None,
) -> Graph:
    """Return the paths of `observable_paths` as a graph; edges have the observable's unit.

    Args:
        model: the model.
        pairs: prompts of one template.
        observable: what paths bring to.
        n: how many paths; None is all that were found.
        search: how widely.

    Raises:
        UsageError: as `observable_paths`.

    Source: Observable Propagation (arXiv 2312.16291), greedy search for paths; the graph is that of `paths_graph`.
    """
    return paths_graph(observable_paths(model, pairs, observable, n=n, search=search))


@dataclass(frozen=True, eq=False)
class _Below:
    """A step below an open path, and what it brings; without a stop it is an end."""

    step: Step
    effect: float
    above: "_Open"
    stop: Stop | None

    def path(self) -> Path:
        """Return the path that begins here."""
        return Path((self.step, *self.above.steps), (self.effect, *self.above.effects))


@dataclass(frozen=True, eq=False)
class _Open:
    """A path that goes on below: its first step's place, where it reads, and along which directions."""

    steps: tuple[Step, ...]
    effects: tuple[float, ...]
    stop: Stop
    position: int
    directions: Directions


class _Walk:
    """Steps down from open paths."""

    def __init__(self, parts: Parts, streams: PairStreams, rules: NormRules) -> None:
        self._parts, self._streams, self._rules = parts, streams, rules

    def start(self, observable: Observable, position: int) -> _Open:
        """Return the path of the observable alone; it brings all that differs along its direction."""
        stop, end = Stop(LOGITS, self._parts.spec.n_layers), self._streams.end[:, position]
        read = observable.direction(self._parts.weights).expand(len(end), -1)
        directions = pulled_through(self._parts, read, stop, StopPoint(stream=end), self._rules).stream
        step = Step("target", stop.layer, position, 0, label=observable.name)
        return _Open((step,), (_along(self._streams.end_gap[:, position], directions),), stop, position, directions)

    def below(self, path: _Open) -> Iterator[_Below]:
        """Yield all steps below a path that bring anything."""
        spec, streams, here = self._parts.spec, self._streams, path.position
        token = _along(streams.start[:, here], path.directions)
        if token:
            yield _Below(Step("token", position=here), token, path, None)
        for layer in range(spec.n_layers):
            if Stop("heads", layer).place(spec) < path.stop.place(spec):
                yield from self._heads(path, layer)
            mlp = Stop("mlp", layer)
            if streams.written and mlp.place(spec) < path.stop.place(spec):
                effect = _along(streams.written[layer][:, here], path.directions)
                if effect:
                    yield _Below(Step("mlp", layer, here), effect, path, mlp)

    def _heads(self, path: _Open, layer: int) -> Iterator[_Below]:
        streams, here = self._streams, path.position
        looks, weights = streams.patterns[layer][:, :, here], self._parts.weights.layers[layer]
        effects = handed_on(weights, path.directions, streams.values[layer], looks).mean(0)
        for (head, source), effect in zip(effects.nonzero().tolist(), effects[effects != 0].tolist(), strict=True):
            yield _Below(Step("head", layer, here, head, source), effect, path, Stop("head", layer, head))

    def opened(self, below: _Below) -> _Open:
        """Return a step below, with the directions that its path has in front of it."""
        streams, step, stop, above = self._streams, below.step, below.stop, below.above
        assert stop is not None
        if stop.kind == "mlp":
            point, position = StopPoint(stream=streams.mid[stop.layer][:, above.position]), above.position
        else:
            position = above.position if step.source is None else step.source
            looks = streams.patterns[stop.layer][:, stop.number, above.position, position, None]
            point = StopPoint(stream=streams.pre[stop.layer][:, position], attention=looks)
        pulled = pulled_through(self._parts, above.directions, stop, point, self._rules)
        steps, effects = (step, *above.steps), (below.effect, *above.effects)
        return _Open(steps, effects, stop, position, pulled.stream)


def _along(gaps: Directions, directions: Directions) -> float:
    """Return the mean over prompts of how far differences go along directions."""
    return float((gaps * directions).sum(-1).mean())
