"""Splice a dictionary in: its reconstruction stands in for an activation, with or without the error it leaves."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Protocol, runtime_checkable

from jaxtyping import Bool, Float
from torch import Tensor

from mechlab.core.errors import UsageError
from mechlab.interventions.replace import replace
from mechlab.models.language_model import LanguageModel
from mechlab.models.route import Route
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

    def rebuild(
        self, x: Float[Tensor, "*batch d_in"], codes: Float[Tensor, "*batch d_sae"]
    ) -> Float[Tensor, "*batch d_out"]:
        """Return what codes, and the vectors themselves where there is a skip, stand for."""
        ...


@contextmanager
def splice(
    model: LanguageModel,
    dictionary: Codec,
    site: str | Site | Route,
    *,
    change: Callable[[Tensor], Tensor] | None = None,
    error: bool = False,
    untouched: Bool[Tensor, "batch pos"] | None = None,
) -> Iterator[None]:
    """Open a context in which the dictionary's reconstruction stands in for the activation.

    A transcoder's is computed from its input site and stands in at its target, in the same forward pass.

    Args:
        model: the model to edit.
        dictionary: what reconstructs.
        site: where it was trained: a site, or a route such as `mlp.1` or `ln2_normalized.1 -> mlp_out.1`.
        change: an edit of the codes before they are decoded.
        error: add what the reconstruction misses, so that the pass differs from the clean one by `change` alone;
            codes that stay the same leave the activation bit for bit as it was.
        untouched: tokens (special ones, say) whose activation stays.

    Raises:
        UsageError: the dictionary reads or rebuilds several sites.
    """
    route = Route.of(site, model.spec)
    if len(route.inputs) != 1 or len(route.rebuilt) != 1:
        raise UsageError("cannot splice at several sites", value=str(route), remedy="Take one input and one target.")
    (source,), (target,) = map(str, route.inputs), route.rebuilt
    with model.read(source) if route.targets else nullcontext({}) as read:

        def reconstruction(activation: Tensor) -> Tensor:
            x = read.get(source, activation)
            codes = dictionary.encode(x)
            changed = codes if change is None else change(codes)
            if not error:
                return dictionary.rebuild(x, changed)
            return activation + (dictionary.decode(changed) - dictionary.decode(codes))

        with replace(model, target, reconstruction, untouched=untouched):
            yield
