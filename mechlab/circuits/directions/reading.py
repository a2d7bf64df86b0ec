"""Examples read from a model: the last tokens of texts, a role of prompt pairs, or labelled tokens of a corpus."""

from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from mechlab.activations.capture import activations_at
from mechlab.circuits.directions.examples import Examples, in_pairs, separate
from mechlab.core.errors import UnknownName
from mechlab.core.randomness import torch_generator
from mechlab.corpora.labels import labelled
from mechlab.corpora.rows import TokenRows
from mechlab.corpora.tasks.pairs import END, PromptPairs
from mechlab.models.language_model import LanguageModel
from mechlab.models.site_width import site_width
from mechlab.models.sites import Site

ROWS_AT_ONCE = 64


def examples_of_texts(
    model: LanguageModel, site: str | Site, positive: Sequence[str], negative: Sequence[str], *, paired: bool = False
) -> Examples:
    """Return what a site holds at the last token of texts.

    Args:
        model: who reads them.
        site: where.
        positive: texts that have what is asked for.
        negative: texts that have it not.
        paired: text i of both belong together.

    Raises:
        UnknownName: this model has no such site.
        UsageError: a class has fewer than two texts, a text is empty or too long, or the site holds no vector for each
            token.
    """
    (name, _), made = _place(model, site), in_pairs if paired else separate
    return made(name, model.fingerprint, *(_at_last_tokens(model, name, texts) for texts in (positive, negative)))


def examples_of_pairs(
    model: LanguageModel, site: str | Site, batches: Sequence[PromptPairs], role: str = END
) -> Examples:
    """Return what a site holds at a role of prompt pairs: the clean prompts have it, the corrupted ones have not.

    Args:
        model: who reads them.
        site: where.
        batches: the pairs.
        role: whose position is read; `END` is the last.

    Raises:
        UnknownName: this model has no such site, or the pairs no such role.
        UsageError: there are fewer than two pairs, or the site holds no vector for each token.
    """
    (name, width), clean, corrupted = _place(model, site), list[Tensor](), list[Tensor]()
    for pairs in batches:
        if role not in pairs.positions:
            raise UnknownName("prompts have no such role", value=role, remedy=f"Roles: {', '.join(pairs.positions)}.")
        for tokens, found in ((pairs.clean, clean), (pairs.corrupted, corrupted)):
            found.append(_at_positions(model, name, tokens, pairs.positions[role]))
    none = torch.zeros(0, width)
    return in_pairs(name, model.fingerprint, torch.cat([none, *clean]), torch.cat([none, *corrupted]))


def examples_of_tokens(
    model: LanguageModel,
    site: str | Site,
    rows: TokenRows,
    label: str | tuple[str, str],
    *,
    most: int = 2000,
    seed: int = 0,
) -> Examples:
    """Return what a site holds at labelled tokens of a corpus; the tokens of a row are one group.

    Args:
        model: who reads them.
        site: where.
        rows: labelled rows.
        label: what positive tokens carry, such as `gender=female`, all others being negative; or what positive and
            what negative tokens carry.
        most: how many tokens of a class are kept, drawn at random.
        seed: of that draw.

    Raises:
        UnknownName: there is no such site, label or value.
        UsageError: a class has fewer than two tokens, or the site holds no vector for each token.
    """
    (name, width), (first, second) = _place(model, site), (label, None) if isinstance(label, str) else label
    positive = labelled(rows, first)
    negative = ~positive & (~rows.special if second is None else labelled(rows, second))
    kept = [_some(one, most, f"{place} tokens", seed) for place, one in (("first", positive), ("second", negative))]
    wanted = kept[0] | kept[1]
    vectors, labels, groups = [torch.zeros(0, width)], [], []
    for batch in _few_at_once(wanted.any(1).nonzero().squeeze(1)):
        found = activations_at(model, rows.tokens[batch].long().to(model.device), name).cpu()
        vectors.append(found[wanted[batch]])
        labels.append(kept[0][batch][wanted[batch]])
        groups.append(batch[:, None].expand(-1, rows.row_length)[wanted[batch]])
    none = torch.zeros(0, dtype=torch.long)
    parts = torch.cat(vectors), torch.cat([none.bool(), *labels]), torch.cat([none, *groups])
    return Examples(name, model.fingerprint, *parts)


def _place(model: LanguageModel, site: str | Site) -> tuple[str, int]:
    """Return a site's canonical name and its width."""
    place = Site.parse(site, model.spec)
    return str(place), site_width(place, model.spec)


@torch.no_grad()
def _at_last_tokens(model: LanguageModel, site: str, texts: Sequence[str]) -> Float[Tensor, "n d_site"]:
    """Return what the site holds at the last token of each text; texts of one length are read together."""
    rows = [model.to_tokens(text) for text in texts]
    found = torch.zeros(len(rows), _place(model, site)[1])
    for length in sorted({row.shape[1] for row in rows}):
        places = torch.tensor([place for place, row in enumerate(rows) if row.shape[1] == length])
        for own in _few_at_once(places):
            tokens = torch.cat([rows[place] for place in own.tolist()])
            found[own] = activations_at(model, tokens, site)[:, -1].cpu()
    return found


@torch.no_grad()
def _at_positions(model: LanguageModel, site: str, tokens: Tensor, positions: Tensor) -> Float[Tensor, "n d_site"]:
    found = [torch.zeros(0, _place(model, site)[1])]
    for own in _few_at_once(torch.arange(len(tokens))):
        read = activations_at(model, tokens[own].to(model.device), site).cpu()
        found.append(read[torch.arange(len(own)), positions[own]])
    return torch.cat(found)


def _few_at_once(places: Int64[Tensor, "n"]) -> Iterator[Int64[Tensor, "some"]]:
    """Yield places some at a time; nothing where there are none."""
    for begin in range(0, len(places), ROWS_AT_ONCE):
        yield places[begin : begin + ROWS_AT_ONCE]


def _some(mask: Bool[Tensor, "n_rows pos"], most: int, purpose: str, seed: int) -> Bool[Tensor, "n_rows pos"]:
    places = mask.flatten().nonzero().squeeze(1)
    if len(places) > most:
        places = places[torch.randperm(len(places), generator=torch_generator(seed, purpose))[:most]]
    kept = torch.zeros(mask.numel(), dtype=torch.bool)
    kept[places] = True
    return kept.view(mask.shape)
