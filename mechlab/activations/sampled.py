"""Rows of text that the model writes itself: samples at temperature 1, for models whose training text is not at hand.

1. Every row starts with the start token and is sampled to its end, many rows at a time, keys and values cached.
2. A start token that the model writes opens its next document, as in training.
3. Where a model ends documents with a token of another kind, what it writes behind one is cut off.
4. The documents are packed into rows.
"""

import numpy as np
import torch
from jaxtyping import Int32
from torch import Tensor

from mechlab.core.config import digest
from mechlab.core.errors import UsageError
from mechlab.core.progress import SILENT, Progress
from mechlab.core.randomness import torch_generator
from mechlab.corpora.encoding import Encoded, start_token
from mechlab.corpora.rows import TokenRows, cut
from mechlab.models.language_model import LanguageModel

ROWS_AT_ONCE = 256


def sampled_rows(
    model: LanguageModel, n_tokens: int, row_length: int, seed: int, progress: Progress = SILENT
) -> TokenRows:
    """Return at least `n_tokens` tokens of the model's own text in rows, unlabelled.

    Raises:
        UsageError: the model has no token to start from, or cannot write rows of this length.
    """
    tokenizer = model.tokenizer
    if tokenizer is None or (start := start_token(tokenizer)) is None:
        raise UsageError("model has no token to start a text from", value=model.name, remedy="Give it a corpus.")
    if row_length < 2 or n_tokens < 1:
        raise UsageError("rows need at least 2 tokens each, and 1 in all", value=f"{row_length} and {n_tokens}")
    generator = torch_generator(seed, "sampled rows", model.device)
    n_rows = -(-n_tokens // row_length)
    identity = {"model": model.fingerprint, "n_tokens": n_tokens, "row_length": row_length, "seed": seed}
    fingerprint = digest({"sampled": identity})
    stream, n_missing = np.zeros(0, dtype=np.int32), n_rows
    with progress.task("sampling", n_rows * row_length, "tokens") as task:
        while True:
            prompts = torch.full((min(n_missing, ROWS_AT_ONCE), 1), start, device=model.device)
            written = model.generate(prompts, row_length - 1, temperature=1.0, generator=generator)
            stream = np.concatenate([stream, _documents(written.cpu().int(), tokenizer.eos_id, start)])
            rows = cut(Encoded(stream, {}), tokenizer, row_length, n_rows, fingerprint)
            task.advance((len(rows) - (n_rows - n_missing)) * row_length)
            n_missing = n_rows - len(rows)
            if n_missing == 0:
                return rows


def _documents(written: Int32[Tensor, "batch pos"], eos: int | None, start: int) -> Int32[np.ndarray, " n"]:
    """Return the rows end to end, each cut behind its first end token."""
    if eos is None or eos == start:
        return written.flatten().numpy()
    ended = (written == eos).cumsum(1) - (written == eos).int()
    return written[ended == 0].numpy()
