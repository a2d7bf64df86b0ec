"""Steer a model by a spec, or every row of a batch by its own: the one entry to all kinds of steering.

1. Names in the spec are looked up and everything is checked against the model, before any pass.
2. What the steps of all rows do at a site becomes one edit of that site; vectors lie ready in the model's number type.
3. A cached generation passes over the prompt, then over one new token at a time: each token is steered exactly once, as
   it would be if everything were computed again.
4. What changes nothing registers nothing, so that the model is bit for bit the unsteered one.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext

import torch

from mechlab.core.errors import UsageError
from mechlab.interventions.codebook_model import CodeEdit
from mechlab.interventions.steering.changes import Change
from mechlab.interventions.steering.code_choices import code_edits
from mechlab.interventions.steering.directions import codebooks_of
from mechlab.interventions.steering.features import Sources
from mechlab.interventions.steering.moment import Moment
from mechlab.interventions.steering.resolving import Resolver
from mechlab.interventions.steering.spec import SteerSpec
from mechlab.interventions.steering.stages import SiteEdit, stages_of
from mechlab.models.language_model import LanguageModel
from mechlab.models.sites import Site


def steer_by(
    model: LanguageModel,
    spec: SteerSpec | Sequence[SteerSpec | None],
    sources: Sources | None = None,
    *,
    n_prompt: int | None = None,
) -> AbstractContextManager[None]:
    """Return a context in which every pass is steered, in generation and outside of it.

    Args:
        model: the model to steer.
        spec: the steps, for all rows; or one spec for each row of every pass, None for a row that is left alone.
        sources: what the names in specs stand for: vectors, dictionaries, sets of transcoders.
        n_prompt: how many tokens of every row are prompt. None: the prompt of a generation; outside of one, all.

    Raises:
        UsageError: the spec is for another model, names what is not given or not there, or does not fit; there are no
            rows; in a pass, it is over another number of rows than there are specs.

    Source: Turner et al. 2023, "Activation Addition"; Rimsky et al. 2024, "Steering Llama 2 via Contrastive Activation
    Addition"; Arditi et al. 2024, "Refusal in Language Models Is Mediated by a Single Direction" (ablation);
    Templeton et al. 2024, "Scaling Monosemanticity" (clamping, the error kept). Windows, gates and rows are ours.
    """
    per_row = not isinstance(spec, SteerSpec)
    specs = [one or SteerSpec() for one in spec] if per_row else [spec]
    if not specs:
        raise UsageError("there is no spec", value=0, remedy="Give one spec for all rows, or one for each.")
    moment = Moment(model, len(specs) if per_row else None, n_prompt)
    resolver = Resolver(model, sources or {})
    rows = [resolver.changes(one) for one in specs]
    edits = _edits(model, rows, moment)
    choices = code_edits(model, specs, moment)
    read = dict.fromkeys(site for row in rows for change in row for site in _read_elsewhere(change))
    return _opened(model, edits, choices, tuple(read)) if edits or choices else nullcontext()


def _edits(model: LanguageModel, rows: Sequence[Sequence[Change]], moment: Moment) -> dict[Site, SiteEdit]:
    sites = dict.fromkeys(change.site for row in rows for change in row)
    like = torch.empty(0, dtype=model.dtype, device=model.device)
    return {
        site: SiteEdit(moment, stages_of([[change for change in row if change.site == site] for row in rows], like))
        for site in sites
    }


def _read_elsewhere(change: Change) -> list[Site]:
    return [site for site in (change.read, change.gate and change.gate.site) if site is not None]


@contextmanager
def _opened(
    model: LanguageModel,
    edits: Mapping[Site, SiteEdit],
    choices: Mapping[str | Site, CodeEdit],
    read: Sequence[Site],
) -> Iterator[None]:
    with ExitStack() as opened:
        if choices:
            opened.enter_context(codebooks_of(model).edit_codes(choices))
        opened.enter_context(model.edit({**edits}))
        if read:
            # Behind the edits, so that what is read is what the pass goes on with.
            seen = opened.enter_context(model.read(*read))
            for edit in edits.values():
                edit.seen = seen
        yield
