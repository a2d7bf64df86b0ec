"""Drafts to token rows: both prompts cut into tokens, each role put at the one token its word is."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool
from torch import Tensor

from mechlab.core.errors import UsageError
from mechlab.corpora.encoding import Encoder, start_token
from mechlab.corpora.tasks.drafts import Draft, Prompt
from mechlab.corpora.tasks.pairs import END, PromptPairs

OTHER_MODEL = "Use the other style, or the tokenizer of a model that knows these words."


class _Row(NamedTuple):
    """A prompt's tokens, and the position of each role."""

    ids: list[int]
    positions: Mapping[str, int]


def batched(task: str, drafts: Sequence[Draft], tokenizer: Encoder) -> tuple[PromptPairs, ...]:
    """Return the drafts as batches of equal length, roles and number of candidates, the largest first.

    Raises:
        UsageError: the tokenizer does not know a word, cuts up a role's word, or cuts the corrupted prompt otherwise
            than the clean one.
    """
    clean = _rows([draft.clean for draft in drafts], tokenizer)
    corrupted = _rows([draft.corrupted for draft in drafts], tokenizer)
    groups: dict[tuple[int, int, frozenset[str]], list[int]] = {}
    for index, (one, other) in enumerate(zip(clean, corrupted, strict=True)):
        _refuse_shift(one, other, drafts[index])
        key = (len(one.ids), len(drafts[index].candidates), frozenset(one.positions))
        groups.setdefault(key, []).append(index)
    batches = [
        _batch(task, [drafts[i] for i in group], [clean[i] for i in group], [corrupted[i] for i in group])
        for group in groups.values()
    ]
    return tuple(sorted(batches, key=len, reverse=True))


def _batch(task: str, drafts: list[Draft], clean: list[_Row], corrupted: list[_Row]) -> PromptPairs:
    roles = clean[0].positions
    return PromptPairs(
        task=task,
        clean=torch.tensor([row.ids for row in clean]),
        corrupted=torch.tensor([row.ids for row in corrupted]),
        candidates=torch.tensor([list(draft.candidates) for draft in drafts]),
        is_right=_among([(draft.candidates, draft.right) for draft in drafts]),
        is_right_corrupted=_among([(draft.candidates, draft.right_corrupted) for draft in drafts]),
        positions={role: torch.tensor([row.positions[role] for row in clean]) for role in roles},
        facts=tuple(draft.facts for draft in drafts),
    )


def _among(rows: Sequence[tuple[Sequence[int], Sequence[int]]]) -> Bool[Tensor, "n n_candidates"]:
    return torch.tensor([[candidate in set(right) for candidate in candidates] for candidates, right in rows])


def _rows(prompts: Sequence[Prompt], tokenizer: Encoder) -> list[_Row]:
    start = start_token(tokenizer)
    opening = [] if start is None else [start]
    encoded = tokenizer.encode_batch_with_offsets([prompt.text for prompt in prompts])
    rows = []
    for prompt, (ids, offsets) in zip(prompts, encoded, strict=True):
        _refuse_unknown(prompt.text, ids, offsets, tokenizer)
        positions = {role: len(opening) + _place(prompt, place, offsets) for role, place in prompt.roles.items()}
        rows.append(_Row(opening + ids, {**positions, END: len(opening) + len(ids) - 1}))
    return rows


def _place(prompt: Prompt, place: tuple[int, int], offsets: Sequence[tuple[int, int]]) -> int:
    """Return the number of the one token that covers these characters."""
    start, end = place
    covering = [index for index, (first, last) in enumerate(offsets) if first < end and last > start]
    if len(covering) != 1:
        raise UsageError("word is not one token in its prompt", value=prompt.text[start:end], remedy=OTHER_MODEL)
    return covering[0]


def _refuse_unknown(text: str, ids: Sequence[int], offsets: Sequence[tuple[int, int]], tokenizer: Encoder) -> None:
    if tokenizer.unk_id is not None and tokenizer.unk_id in ids:
        start, end = offsets[list(ids).index(tokenizer.unk_id)]
        raise UsageError("tokenizer does not know a word of the prompt", value=text[start:end], remedy=OTHER_MODEL)


def _refuse_shift(clean: _Row, corrupted: _Row, draft: Draft) -> None:
    if clean.positions != corrupted.positions:
        raise UsageError("corruption moves the prompt's tokens", value=draft.corrupted.text, remedy=OTHER_MODEL)
