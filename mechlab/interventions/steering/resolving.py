"""From steps to changes: names become tensors, strengths become lengths, and what does not fit the model is refused."""

from typing import Any

import torch

from mechlab.core.errors import UsageError
from mechlab.interventions.steering.changes import Along, Change, Recoded, Shift
from mechlab.interventions.steering.directions import (
    Aim,
    aim_of_code,
    aim_of_component,
    aim_of_feature,
    named_direction,
)
from mechlab.interventions.steering.features import Features, Sources, features_of
from mechlab.interventions.steering.gating import Gating
from mechlab.interventions.steering.operations import ALONG, CODES, changes_nothing
from mechlab.interventions.steering.parts import ComponentPart, FeaturePart, VectorPart
from mechlab.interventions.steering.places import refuse_what_comes_later, sites_named
from mechlab.interventions.steering.spec import SteerGate, SteerSpec, SteerStep
from mechlab.models.language_model import LanguageModel
from mechlab.models.site_width import site_width
from mechlab.models.sites import Site


class Resolver:
    """What the names in specs stand for, in one model."""

    def __init__(self, model: LanguageModel, sources: Sources) -> None:
        self.model, self.sources = model, sources
        self._features: dict[tuple[object, ...], Features] = {}

    def changes(self, spec: SteerSpec) -> list[Change]:
        """Return what the steps change, in their order; steps that change nothing are checked and left out.

        Raises:
            UsageError: the spec is for another model, or a step does not fit the model or what is given.
        """
        own = self.model.fingerprint if spec.model is not None else None
        if spec.model != own:
            remedy = f"It is for {str(spec.model)[:12]}, {self.model.name} is {str(own)[:12]}."
            raise UsageError("spec is for another model", value=self.model.name, remedy=remedy)
        found: list[Change] = []
        for step in spec.steps:
            made = self._along(step) if step.along else self._recoded(step) if step.operation in CODES else []
            found += [] if changes_nothing(step.operation, step.strength) else made
        return found

    def aims(self, step: SteerStep) -> list[Aim]:
        """Return the directions of a step along directions, one for each of its sites."""
        part, spec = step.part, self.model.spec
        if isinstance(part, VectorPart):
            sites = sites_named(step.sites, spec)
            return [Aim(s, named_direction(part.name, self.sources, site_width(s, spec), str(s))) for s in sites]
        if isinstance(part, FeaturePart):
            return [aim_of_feature(self.features(part, only_site(step)), part.feature)]
        if isinstance(part, ComponentPart):
            return [aim_of_component(self.model, part, self.sources)]
        return [aim_of_code(self.model, str(only_site(step)), part.code)]

    def features(self, part: FeaturePart, place: str | None) -> Features:
        """Return the features among which a part is, the same object every time.

        Raises:
            UsageError: they are not given, or do not fit the place they read or write to.
        """
        key = (part.dictionary, part.layer, place)
        if key not in self._features:
            found = features_of(part, place, self.sources, self.model.spec)
            if found.width != (width := site_width(found.read, self.model.spec)):
                remedy = f"{found.read} has width {width}."
                raise UsageError("dictionary does not fit the site", value=found.width, remedy=remedy)
            self._features[key] = found
        self._features[key].checked(part.feature)
        return self._features[key]

    def _along(self, step: SteerStep) -> list[Change]:
        aims = self.aims(step)
        return [self._change(step, aim, _size(step, number, len(aims))) for number, aim in enumerate(aims)]

    def _change(self, step: SteerStep, aim: Aim, size: float | None) -> Change:
        """Return the change along one direction; `size` is that of the unit, None for the direction's own length."""
        how = self._how(step, aim.site, aim.read)
        length = aim.direction.norm()
        if float(length.detach()) == 0 and not (step.operation == "add" and size is None):
            raise UsageError("direction has no length", value=str(aim.site), remedy="It is zero; take another.")
        unit = aim.direction / length.clamp(min=torch.finfo(length.dtype).tiny)
        writer = unit if aim.turn is None else aim.turn(unit)
        gain, shift = ALONG[step.operation](step.strength)
        long = isinstance(step.part, FeaturePart) and step.unit == "max_activation"
        added = shift * (length if size is None else size * length if long else torch.full_like(length, size))
        if gain == 0:
            whole = shift * aim.direction if size is None and aim.turn is None else added * writer
            return Shift(**how, vector=whole)
        if step.origin is not None:
            place = aim.read or aim.site
            origin = named_direction(step.origin, self.sources, site_width(place, self.model.spec), str(place))
            added = added - gain * (origin @ unit)
        return Along(**how, reader=unit, writer=writer, gain=gain, shift=added)

    def _recoded(self, step: SteerStep) -> list[Change]:
        assert isinstance(step.part, FeaturePart)
        features = self.features(step.part, only_site(step))
        size = _size(step, 0, 1) or 1.0
        recode = CODES[step.operation](step.strength * size)
        found: list[Change] = []
        for site in features.targets:
            read = None if site == features.read else features.read
            how = self._how(step, site, read)
            found.append(Recoded(**how, features=features, feature=step.part.feature, recode=recode))
        return found

    def _how(self, step: SteerStep, site: Site, read: Site | None) -> dict[str, Any]:
        gate = None if step.gate is None else self._gating(step.gate, site, read)
        return {"site": site, "read": read, "span": step.span, "keep_norm": step.keep_norm, "gate": gate}

    def _gating(self, gate: SteerGate, site: Site, read: Site | None) -> Gating:
        own, spec = read or site, self.model.spec
        features, probe = None, None
        if isinstance(gate.part, FeaturePart):
            of_set = gate.part.layer is not None
            features = self.features(gate.part, None if of_set else gate.site or str(own))
            place = features.read
        else:
            place = own if gate.site is None else Site.parse(gate.site, spec)
            probe = named_direction(gate.part.name, self.sources, site_width(place, spec), str(place))
        if place != own:
            refuse_what_comes_later(place, site, spec)
        return Gating(gate, None if place == own else place, probe, features)


def only_site(step: SteerStep) -> str | None:
    """Return the place a step names; None where its part knows its own."""
    if len(step.sites) > 1:
        remedy = "Make a step for each."
        raise UsageError(f"a {step.part.kind} is of one site", value=", ".join(step.sites), remedy=remedy)
    return step.sites[0] if step.sites else None


def _size(step: SteerStep, number: int, n_sites: int) -> float | None:
    """Return the size of the step's unit at one of its sites; None for the own unit."""
    if step.unit == "own":
        return None
    if len(step.unit_sizes) not in (1, n_sites):
        what = "unit is not measured" if not step.unit_sizes else "sizes of units do not fit the sites"
        value = step.unit if not step.unit_sizes else f"{len(step.unit_sizes)} for {n_sites}"
        raise UsageError(what, value=value, remedy="Take the spec that measured(...) gives.")
    return step.unit_sizes[number if len(step.unit_sizes) > 1 else 0]
