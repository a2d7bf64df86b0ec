"""Steps that put codes among those of their site, row by row where rows ask for different ones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import torch
from torch import Tensor

from mechlab.core.errors import UsageError
from mechlab.interventions.activate_codes import Ids, Slots, code_groups, put_codes
from mechlab.interventions.codebook_model import CodebookModel, CodeEdit
from mechlab.interventions.steering.directions import aim_of_code, codebooks_of
from mechlab.interventions.steering.moment import Moment
from mechlab.interventions.steering.parts import CodePart
from mechlab.interventions.steering.span import TokenSpan
from mechlab.interventions.steering.spec import SteerSpec, SteerStep
from mechlab.models.language_model import LanguageModel
from mechlab.models.sites import Site


@dataclass(frozen=True)
class Choice:
    """Codes that are put into a site's slots together."""

    span: TokenSpan
    slots: Slots
    codes: tuple[int, ...]


def code_edits(model: LanguageModel, specs: Sequence[SteerSpec], moment: Moment) -> dict[str | Site, CodeEdit]:
    """Return the edits of codes that specs ask for, by site; neighbouring steps of one site share its slots.

    Args:
        model: with codebooks, where there is any such step.
        specs: of each row, or one for all.
        moment: where in its row a pass is.

    Raises:
        UsageError: the model has no such codebook or code, or fewer slots than are asked.
    """
    rows = [[step for step in spec.steps if step.operation == "activate"] for spec in specs]
    sites = dict.fromkeys(str(Site.parse(step.sites[0], model.spec)) for row in rows for step in row)
    return {
        site: _edit(codebooks_of(model), site, [_choices(model, site, row) for row in rows], moment) for site in sites
    }


def _choices(model: LanguageModel, site: str, steps: Sequence[SteerStep]) -> tuple[Choice, ...]:
    own = [step for step in steps if str(Site.parse(step.sites[0], model.spec)) == site]
    found: list[Choice] = []
    for (span, strength), together in groupby(own, key=lambda step: (step.span, step.strength)):
        codes = tuple(step.part.code for step in together if isinstance(step.part, CodePart))
        config = codebooks_of(model).codebook_at(site).config
        for code in codes:
            aim_of_code(model, site, code)
        code_groups(config, site, codes)
        if strength not in (1, config.k):
            remedy = f"A code takes one slot, or all {config.k} of its group."
            raise UsageError("code cannot take so many slots", value=strength, remedy=remedy)
        found.append(Choice(span, "one" if strength == 1 else "all", codes))
    return tuple(found)


def _edit(model: CodebookModel, site: str, rows: Sequence[tuple[Choice, ...]], moment: Moment) -> CodeEdit:
    config = model.codebook_at(site).config
    groups: dict[Choice, Mapping[int, list[int]]] = {
        choice: code_groups(config, site, choice.codes) for row in rows for choice in row
    }
    alike: dict[tuple[Choice, ...], list[int]] = {}
    for number, row in enumerate(rows):
        alike.setdefault(row, []).append(number)

    def edit(ids: Ids) -> Ids:
        moment.refuse_other_batch(ids)
        for choices, numbers in alike.items():
            some: slice | Tensor = slice(None) if len(alike) == 1 else torch.tensor(numbers, device=ids.device)
            for choice in choices:
                where = moment.places(choice.span, ids.shape[1])
                ids[some, where] = put_codes(ids[some, where], groups[choice], choice.slots)
        return ids

    return edit
