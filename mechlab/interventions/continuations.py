"""Texts a model writes after a few prompts, many after each: the same draws with and without an edit open.

1. Each prompt is repeated; its copies are continued by draws of a generator of their own.
2. Prompts of equally many tokens are continued together, as many as fit into a batch.
3. Prompts keep their place and their generator: with equal seeds a model and its edited self meet equal draws.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from mechlab.core.errors import UsageError
from mechlab.core.randomness import torch_generator
from mechlab.models.language_model import LanguageModel

BATCH_ROWS = 256


@dataclass(frozen=True, eq=False)
class Continuation:
    """Texts that begin with one prompt.

    Attributes:
        tokens: the prompt, the same in every row, and what follows it.
        n_prompt: how many tokens the prompt has, the start token included.
    """

    tokens: Int[Tensor, "n_texts pos"]
    n_prompt: int

    @property
    def written(self) -> Int[Tensor, "n_texts new"]:
        """Return what the model added."""
        return self.tokens[:, self.n_prompt :]


def continuations(
    model: LanguageModel,
    prompts: Sequence[str],
    n_each: int,
    n_tokens: int,
    *,
    temperature: float = 1.0,
    seed: int = 0,
) -> tuple[Continuation, ...]:
    """Return `n_each` texts after every prompt; edits that are open when this is called apply to all passes.

    Args:
        model: who writes.
        prompts: texts to go on from; an empty one is the start token alone.
        n_each: how many texts begin with each.
        n_tokens: how many tokens are added.
        temperature: of the draws.
        seed: of the draws.

    Raises:
        UsageError: there is no prompt or no text to write, or rows would outgrow the model's context.

    Source: Tamkin, Taufeeque & Goodman 2023, "Codebook Features", section 4.2 (a few prompts, samples of each at
    temperature 1).
    """
    if not prompts or n_each < 1:
        value = f"{len(prompts)} prompts, {n_each} texts each"
        raise UsageError("no text to write", value=value, remedy="Give a prompt, and at least one text each.")
    rows = [model.to_tokens(prompt) for prompt in prompts]
    found: dict[int, Continuation] = {}
    for numbers in _batches([row.shape[1] for row in rows], max(1, BATCH_ROWS // n_each)):
        opening = torch.cat([rows[number].expand(n_each, -1) for number in numbers])
        draws = [torch_generator(seed, f"continuations {number}", model.device) for number in numbers]
        tokens = model.generate(opening, n_tokens, temperature=temperature, generator=draws).cpu()
        for number, own in zip(numbers, tokens.split(n_each), strict=True):
            found[number] = Continuation(own, rows[number].shape[1])
    return tuple(found[number] for number in range(len(prompts)))


def _batches(lengths: Sequence[int], at_once: int) -> Iterator[list[int]]:
    """Yield places of equal length, at most so many at once."""
    for length in dict.fromkeys(lengths):
        places = [place for place, other in enumerate(lengths) if other == length]
        yield from (places[start : start + at_once] for start in range(0, len(places), at_once))
