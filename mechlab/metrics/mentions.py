"""Which written texts hold a match of a pattern."""

import re

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from mechlab.models.language_model import LanguageModel


def mentions(
    model: LanguageModel, written: Int[Tensor, "n_texts new"], topic: re.Pattern[str]
) -> Bool[Tensor, "n_texts"]:
    """Return which texts hold a match, in lower case; special tokens part a text, and no match crosses them."""
    found = []
    for row in written.tolist():
        parts: list[list[int]] = [[]]
        for token in row:
            if token in model.special_ids:
                parts.append([])
            else:
                parts[-1].append(token)
        whole = [model.to_text(torch.tensor([part]))[0].lower() for part in parts if part]
        found.append(any(topic.search(text) for text in whole))
    return torch.tensor(found)
