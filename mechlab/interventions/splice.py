"""Splice a dictionary in: its reconstruction stands in for the activation, with or without the error it leaves."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol, runtime_checkable

from jaxtyping import Bool, Float
from torch import Tensor

from mechlab.interventions.replace import replace
from mechlab.models.language_model import LanguageModel
from mechlab.models.sites import Site


@runtime_checkable
class Codec(Protocol):
    """What stands in for an activation: vectors to codes and back. Every dictionary is one."""

    def encode(self, x: Float[Tensor, "*batch d_in"]) -> Float[Tensor, "*batch d_sae"]:
        """Return the codes of each vector."""
        ...

    def decode(self, codes: Float[Tensor, "*batch d_sae"]) -> Float[Tensor, "*batch d_out"]:
        """Return the vectors that codes stand for."""
        ...


def splice(
    model: LanguageModel,
    dictionary: Codec,
    site: str | Site,
    *,
    change: Callable[[Tensor], Tensor] | None = None,
    error: bool = False,
    untouched: Bool[Tensor, "batch pos"] | None = None,
) -> AbstractContextManager[None]:
    """Return a context in which the dictionary's reconstruction stands in for the activation.

    Args:
        model: the model to edit.
        dictionary: what reconstructs.
        site: where it was trained.
        change: an edit of the codes before they are decoded.
        error: add what the reconstruction misses, so that the pass differs from the clean one by `change` alone;
            codes that stay the same leave the activation bit for bit as it was.
        untouched: tokens (special ones, say) whose activation stays.
    """

    def reconstruction(activation: Tensor) -> Tensor:
        codes = dictionary.encode(activation)
        changed = codes if change is None else change(codes)
        if not error:
            return dictionary.decode(changed)
        return activation + (dictionary.decode(changed) - dictionary.decode(codes))

    return replace(model, site, reconstruction, untouched=untouched)
