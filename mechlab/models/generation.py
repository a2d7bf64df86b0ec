"""Generation: rows grow by one token at a time, from whatever computes the next token's logits."""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mechlab.core.errors import UsageError
from mechlab.core.shapes import Tokens

Step = Callable[[Tokens], Float[Tensor, "batch d_vocab"]]
Generators = torch.Generator | Sequence[torch.Generator]
Choose = Callable[[Float[Tensor, "batch d_vocab"]], Int[Tensor, "batch 1"]]
Seen = Callable[[Int[Tensor, "batch 1"]], None]


def extend(
    tokens: Tokens, n_tokens: int, step: Step, choose: Choose, *, use_cache: bool, seen: Seen | None = None
) -> Int[Tensor, "batch pos_and_new"]:
    """Return the rows followed by `n_tokens` chosen tokens each.

    Args:
        tokens: the prompts.
        n_tokens: how many to add.
        step: logits after the last of the tokens it is given.
        choose: picks each row's next token.
        use_cache: the step remembers what it was given, so it is given new tokens only.
        seen: is told every row's new token as soon as it is chosen.
    """
    rows, unseen = tokens, tokens
    for _ in range(n_tokens):
        chosen = choose(step(unseen)).to(rows)
        if seen is not None:
            seen(chosen)
        rows = torch.cat([rows, chosen], dim=1)
        unseen = chosen if use_cache else rows
    return rows


def chooser(temperature: float, generator: Generators | None) -> Choose:
    """Return the way tokens are picked: the most likely one at temperature 0, else a draw.

    Args:
        temperature: of the draws.
        generator: where they come from; of several, each draws for an equal stretch of the rows, in their order.

    Raises:
        UsageError: the temperature is negative, or a draw has no generator.
    """
    if temperature < 0:
        raise UsageError("temperature is negative", value=temperature, remedy="Use 0 for the most likely token.")
    if temperature == 0:
        return lambda logits: logits.argmax(-1, keepdim=True)
    if generator is None:
        remedy = "Pass core.randomness.torch_generator(seed, purpose)."
        raise UsageError("sampling needs a generator", value=f"temperature {temperature}", remedy=remedy)
    generators = (generator,) if isinstance(generator, torch.Generator) else tuple(generator)
    return lambda logits: _draw(logits / temperature, generators)


def _draw(logits: Float[Tensor, "batch d_vocab"], generators: tuple[torch.Generator, ...]) -> Int[Tensor, "batch 1"]:
    stretches = logits.float().softmax(-1).to(generators[0].device).split(len(logits) // len(generators))
    drawn = [torch.multinomial(own, 1, generator=one) for own, one in zip(stretches, generators, strict=True)]
    return torch.cat(drawn)
