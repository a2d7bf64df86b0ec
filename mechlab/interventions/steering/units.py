"""The figures that strengths are told in, measured on text and stored in the spec, so that it needs no text later."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from mechlab.core.errors import UsageError
from mechlab.corpora.rows import TokenRows
from mechlab.interventions.steering.directions import Aim
from mechlab.interventions.steering.features import Sources
from mechlab.interventions.steering.parts import FeaturePart
from mechlab.interventions.steering.resolving import Resolver, only_site
from mechlab.interventions.steering.spec import SteerSpec, SteerStep
from mechlab.models.language_model import LanguageModel
from mechlab.models.sites import Site


def measured(
    model: LanguageModel,
    spec: SteerSpec,
    rows: TokenRows,
    sources: Sources | None = None,
    *,
    n_rows: int = 256,
    batch_rows: int = 16,
) -> SteerSpec:
    """Return the spec with the sizes of all its units, found in the unsteered model.

    Of at most `n_rows` rows spread over the text, tokens that are not special count: `mean_norm` is the mean length of
    the activation at the site, `max_activation` the largest code of a feature, or the largest dot product with the
    direction at length one.

    Args:
        model: whose activations are measured; edits that are open apply.
        spec: its sizes are put anew; steps in their own unit stay as they are.
        rows: the text.
        sources: what the names in the spec stand for.
        n_rows: how many rows count at most.
        batch_rows: how many are looked at together.

    Raises:
        UsageError: the spec does not fit the model or what is given, or a feature or direction is never above zero.
    """
    picked = rows.select(torch.linspace(0, len(rows) - 1, min(n_rows, len(rows))).round().long())
    batches = [picked.select(slice(start, start + batch_rows)) for start in range(0, len(picked), batch_rows)]
    resolver = Resolver(model, sources or {})
    steps = []
    for step in spec.steps:
        sizes = () if step.unit == "own" else _sizes(resolver, step, batches)
        steps.append(SteerStep(**{**dict(step), "unit_sizes": sizes}))
    return SteerSpec(steps=tuple(steps), model=spec.model)


@dataclass(frozen=True, eq=False)
class Figure:
    """What is found at every token of a site, and whether the mean of it counts, or the largest."""

    site: Site
    at: Callable[[Tensor], Tensor]
    largest: bool


@torch.no_grad()
def _sizes(resolver: Resolver, step: SteerStep, batches: Sequence[TokenRows]) -> tuple[float, ...]:
    figures = _figures(resolver, step)
    found: list[list[Tensor]] = [[] for _ in figures]
    for batch in batches:
        seen = resolver.model.activations(batch.tokens.long(), [figure.site for figure in figures])
        for figure, values in zip(figures, found, strict=True):
            values.append(figure.at(seen[str(figure.site)].flatten(2)).cpu()[~batch.special].double())
    sizes = []
    for figure, values in zip(figures, map(torch.cat, found), strict=True):
        size = float(values.max() if figure.largest else values.mean())
        if size <= 0:
            remedy = "Take other text, or another unit."
            raise UsageError(f"{step.unit} is not above zero at {figure.site}", value=size, remedy=remedy)
        sizes.append(size)
    return tuple(sizes)


def _figures(resolver: Resolver, step: SteerStep) -> list[Figure]:
    largest, part = step.unit == "max_activation", step.part
    if isinstance(part, FeaturePart) and largest:
        features = resolver.features(part, only_site(step))
        encode = features.codes_of(torch.tensor([part.feature]))
        return [Figure(features.read, lambda x: encode(x)[..., 0], True)]
    aims = resolver.aims(step)
    if largest:
        return [Figure(aim.read or aim.site, partial(_along, aim), True) for aim in aims]
    return [Figure(aim.site, partial(torch.linalg.vector_norm, dim=-1), False) for aim in aims]


def _along(aim: Aim, x: Tensor) -> Tensor:
    return x @ (aim.direction / aim.direction.norm()).to(x)
