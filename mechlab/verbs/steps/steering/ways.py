"""What steering is held against: random directions of equal size, another feature, and saying it instead."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial

import torch

from mechlab.core.errors import UsageError
from mechlab.core.randomness import torch_generator
from mechlab.interventions.steering.feature_direction import feature_direction
from mechlab.interventions.steering.features import Sources
from mechlab.interventions.steering.operations import CODES
from mechlab.interventions.steering.parts import ComponentPart, FeaturePart, VectorPart
from mechlab.interventions.steering.spec import SteerSpec, SteerStep
from mechlab.interventions.steering.steer_by import steer_by
from mechlab.interventions.steering.units import measured
from mechlab.metrics.dose_response import Way
from mechlab.verbs.steps.steering.subject import Steered

Edit = Callable[[], AbstractContextManager[None]]
N_TRIES = 50


def ways_of(steered: Steered, ladder: Sequence[float], said: str | None, seed: int) -> tuple[Way, ...]:
    """Return the spec's way and its rivals, each with an edit for every multiple of its strengths."""
    found = [_way("as asked", steered, steered.spec, steered.sources, ladder)]
    drawn = drawn_directions(steered, seed)
    if drawn is not None:
        found.append(_way("random direction", steered, *drawn, ladder))
    other = drawn_features(steered, seed)
    if other is not None:
        found.append(_way("random feature", steered, other, steered.sources, ladder))
    if said is not None:
        found.append(Way("prompting", {1.0: nullcontext}, said_before=said))
    return tuple(found)


def drawn_directions(steered: Steered, seed: int) -> tuple[SteerSpec, Sources] | None:
    """Return the spec with drawn vectors of equal length for its vectors, features and components.

    Returns:
        The spec and what its names stand for; None where codes are set, which no vector does.
    """
    draw, steps, sources = torch_generator(seed, "random directions"), list[SteerStep](), dict(steered.sources)
    for place, step in enumerate(steered.spec.steps):
        along = along_of(step, steered)
        if along is None:
            return None
        vector, scale, site = along
        noise = torch.randn(vector.shape, generator=draw).to(vector)
        name = f"drawn {place}"
        sources[name] = noise * vector.norm() / noise.norm()
        changed = {"part": VectorPart(name=name), "sites": (site,), "unit_sizes": (), "unit": "own"}
        steps.append(SteerStep(**{**dict(step), **changed, "strength": step.strength * scale}))
    return SteerSpec(steps=tuple(steps), model=steered.spec.model), sources


def along_of(step: SteerStep, steered: Steered) -> tuple[torch.Tensor, float, str] | None:
    """Return the vector a step is made along, what its strength is multiplied with, and where; None for codes."""
    part = step.part
    if isinstance(part, VectorPart | ComponentPart):
        vector = steered.sources[part.name]
        if not isinstance(vector, torch.Tensor) or len(step.sites) != 1:
            return None
        scale = step.unit_sizes[0] / float(vector.norm()) if step.unit_sizes else 1.0
        return vector, scale, step.sites[0]
    if not isinstance(part, FeaturePart) or part.layer is not None or step.operation in CODES:
        return None
    vector = feature_direction(steered.dictionaries[part.dictionary], part.feature, unit=False)
    return vector, step.unit_sizes[0] if step.unit_sizes else 1.0, step.sites[0].rpartition(" -> ")[2]


def drawn_features(steered: Steered, seed: int) -> SteerSpec | None:
    """Return the spec with another feature of the same dictionary, one that is on somewhere in the text.

    Returns:
        None where the spec has no features, or there is no text to find others in.
    """
    if steered.text is None or not all(isinstance(step.part, FeaturePart) for step in steered.spec.steps):
        return None
    draw = torch_generator(seed, "random features")
    for _ in range(N_TRIES):
        steps = tuple(_with_drawn(step, steered, draw) for step in steered.spec.steps)
        spec = SteerSpec(steps=steps, model=steered.spec.model)
        probed = SteerSpec(steps=tuple(SteerStep(**{**dict(step), "unit": "max_activation"}) for step in steps))
        try:
            sizes = measured(steered.model, probed, steered.text, steered.sources)
        except UsageError:
            continue  # never on in this text
        own = (
            SteerStep(**{**dict(step), "unit_sizes": known.unit_sizes if step.unit == "max_activation" else ()})
            for step, known in zip(spec.steps, sizes.steps, strict=True)
        )
        return SteerSpec(steps=tuple(own), model=spec.model)
    return None


def _with_drawn(step: SteerStep, steered: Steered, draw: torch.Generator) -> SteerStep:
    assert isinstance(step.part, FeaturePart)
    n = len(steered.dictionaries[step.part.dictionary].W_dec)
    number = int(torch.randint(n, (1,), generator=draw))
    part = FeaturePart(dictionary=step.part.dictionary, feature=number, layer=step.part.layer)
    return SteerStep(**{**dict(step), "part": part, "unit_sizes": ()})


def _way(name: str, steered: Steered, spec: SteerSpec, sources: Sources, ladder: Sequence[float]) -> Way:
    edits: dict[float, Edit] = {by: partial(steer_by, steered.model, spec.times(by), sources) for by in ladder}
    return Way(name, edits)
