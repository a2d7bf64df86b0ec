"""Steer by codes: let chosen codes stand among those of every token, in forward passes and while text is generated.

1. At each site, the codes asked for take the place of the least similar of the k that were found in their group; or of
   all of them.
2. They do so at every position, or at those asked for, counted from the start of the row.
3. A code that stands there anyway is not put there twice, so that asking for what is there changes nothing.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Int
from torch import Tensor

from mechlab.core.errors import UsageError
from mechlab.dictionaries.codebook import CodebookConfig
from mechlab.interventions.codebook_model import CodebookModel, CodeEdit
from mechlab.interventions.positions import places_in_pass
from mechlab.models.sites import Site

Ids = Int[Tensor, "batch pos n_groups k"]
Slots = Literal["one", "all"]


@dataclass(frozen=True)
class CodeChoice:
    """A code of a site, by its number among all of its codebook."""

    site: str
    code: int


def activate_codes(
    model: CodebookModel,
    codes: Sequence[CodeChoice],
    *,
    slots: Slots = "one",
    positions: range | None = None,
) -> AbstractContextManager[None]:
    """Return a context in which every pass has the codes among those of its tokens.

    Args:
        model: the model to steer.
        codes: which codes; several of one group share its slots. None at all change nothing.
        slots: `one` gives each code one slot, the least similar first; `all` gives them all slots, in turn.
        positions: where in a row; None is everywhere.

    Raises:
        UsageError: there is no codebook at a site or no such code in it, or a group has fewer slots than codes asked.

    Source: Tamkin, Taufeeque & Goodman 2023, "Codebook Features", section 4.2 (one code, all codes).
    """
    by_site: dict[str, list[int]] = {}
    for choice in codes:
        codebook = model.codebook_at(choice.site)
        n_all = codebook.config.n_all
        if not 0 <= choice.code < n_all:
            raise UsageError(f"no such code at {choice.site}", value=choice.code, remedy=f"Codes are 0..{n_all - 1}.")
        by_site.setdefault(str(Site.parse(choice.site, model.spec)), []).append(choice.code)
    edits: dict[str | Site, CodeEdit] = {
        site: _edit(model, code_groups(model.codebook_at(site).config, site, own), slots, positions)
        for site, own in by_site.items()
    }
    return model.edit_codes(edits) if edits else nullcontext()


def code_groups(config: CodebookConfig, site: str, codes: Sequence[int]) -> dict[int, list[int]]:
    """Return codes by the group they belong to, each once.

    Raises:
        UsageError: a group has fewer slots than codes asked.
    """
    groups: dict[int, list[int]] = {}
    for code in dict.fromkeys(codes):
        groups.setdefault(code // config.n_codes, []).append(code)
    for group, own in groups.items():
        if len(own) > config.k:
            remedy = f"Group {group} of {site} has {config.k} slots."
            raise UsageError("more codes than slots", value=len(own), remedy=remedy)
    return groups


def put_codes(ids: Ids, groups: Mapping[int, list[int]], slots: Slots) -> Ids:
    """Return the codes of tokens with chosen ones among them, one slot each or all slots in turn."""
    ids, put = ids.clone(), _all_slots if slots == "all" else _last_slots
    for group, own in groups.items():
        ids[:, :, group] = put(ids[:, :, group], own)
    return ids


def _edit(model: CodebookModel, groups: Mapping[int, list[int]], slots: Slots, positions: range | None) -> CodeEdit:
    def edit(ids: Ids) -> Ids:
        here = places_in_pass(model, positions, ids.shape[1])
        ids[:, here] = put_codes(ids[:, here], groups, slots)
        return ids

    return edit


def _all_slots(ids: Int[Tensor, "batch pos k"], codes: list[int]) -> Int[Tensor, "batch pos k"]:
    turns = [codes[slot % len(codes)] for slot in range(ids.shape[-1])]
    return torch.tensor(turns, device=ids.device).expand_as(ids)


def _last_slots(ids: Int[Tensor, "batch pos k"], codes: list[int]) -> Int[Tensor, "batch pos k"]:
    """Put each code that is not there into the last slot that holds none of the codes."""
    chosen = torch.tensor(codes, device=ids.device)
    for code in codes:
        missing = ~(ids == code).any(-1)
        free = ~torch.isin(ids, chosen)
        last = ids.shape[-1] - 1 - free.flip(-1).long().argmax(-1, keepdim=True)
        ids = torch.where(missing[..., None], ids.scatter(-1, last, code), ids)
    return ids
