"""Why long lists fail: where movers look from END, and which of the items named again is taken for the one left.

Both are told by the place among the items named again, and by the length of the list.
"""

from collections.abc import Sequence
from typing import Any

import torch
from lists import Lists
from torch import Tensor

from mechlab.corpora.tasks.pairs import END, PromptPairs
from mechlab.models.language_model import LanguageModel
from mechlab.models.sites import Head


@torch.no_grad()
def looks(model: LanguageModel, lists: Lists, heads: Sequence[Head]) -> dict[str, Any]:
    """Return, place by place, heads' mean attention from END to the items named again, and how many wrong answers.

    Args:
        model: whose heads.
        lists: of one length.
        heads: which heads.
    """
    sites = sorted({f"pattern.{layer}" for layer, _ in heads})
    seen: dict[Head, list[Tensor]] = {head: [] for head in heads}
    wrong = []
    for pairs in lists:
        tokens, again = pairs.clean.to(model.device), named_again(pairs)
        patterns = model.activations(tokens, sites)
        for layer, head in heads:
            seen[layer, head].append(patterns[f"pattern.{layer}"][:, head, -1].cpu().gather(1, again))
        wrong.append(wrong_places(pairs, model.logits(tokens)[:, -1].cpu(), again))
    n_wrong = torch.bincount(torch.cat(wrong), minlength=seen[heads[0]][0].shape[1])
    return {
        "attention": {f"{layer}.{head}": rounded(torch.cat(own).mean(0)) for (layer, head), own in seen.items()},
        "wrong_answers": n_wrong.tolist(),
    }


def named_again(pairs: PromptPairs) -> Tensor:
    """Return the positions of the items named again, in their order."""
    n_again = sum(role.startswith("found_") for role in pairs.positions)
    assert END in pairs.positions
    return torch.stack([pairs.positions[f"found_{place}"] for place in range(1, n_again + 1)], dim=1)


def wrong_places(pairs: PromptPairs, logits: Tensor, again: Tensor) -> Tensor:
    """Return at which places among the items named again the wrong answers stand."""
    chosen = pairs.candidates.gather(1, logits.gather(1, pairs.candidates).argmax(1, keepdim=True))
    is_it = pairs.clean.gather(1, again) == chosen
    return is_it.int().argmax(1)[is_it.any(1)]


def rounded(values: Tensor) -> list[float]:
    """Return the values with three digits."""
    return [round(value, 3) for value in values.tolist()]
