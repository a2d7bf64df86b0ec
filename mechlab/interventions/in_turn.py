"""A dictionary stands in for several activations of one forward pass, each rebuilt when the pass reaches it.

1. When the pass reaches a site that is read, that layer's features are encoded from what is there now.
2. What they write to this and all later targets is added up.
3. When the pass reaches a target, the sum so far takes its place; later layers read what follows from it.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Protocol, runtime_checkable

from jaxtyping import Bool, Float
from torch import Tensor

from mechlab.core.errors import UsageError
from mechlab.interventions.replace import replace
from mechlab.models.language_model import LanguageModel
from mechlab.models.route import Route


@runtime_checkable
class LayeredCodec(Protocol):
    """What can rebuild a target before later layers are known: a cross-layer transcoder."""

    def encode_layer(self, layer: int, x: Float[Tensor, "*batch d_in"]) -> Float[Tensor, "*batch d_sae"]:
        """Return the codes of the features that read one layer."""
        ...

    def written_by(
        self, layer: int, codes: Float[Tensor, "*batch d_sae"]
    ) -> Float[Tensor, "*batch layers_from_here d_out"]:
        """Return what they add to that layer's target and to all later ones."""
        ...

    def layer_bias(self, layer: int) -> Float[Tensor, "d_out"]:
        """Return what a layer's target is where no feature writes."""
        ...


@contextmanager
def splice_in_turn(
    model: LanguageModel,
    dictionary: LayeredCodec,
    route: str | Route,
    *,
    untouched: Bool[Tensor, "batch pos"] | None = None,
) -> Iterator[None]:
    """Open a context in which every forward pass has the dictionary's reconstruction at all its targets.

    Its codes are those of the pass itself, so that errors of early layers reach later ones as in a model that consists
    of the dictionary, attention and norms.

    Args:
        model: the model to edit.
        dictionary: what reconstructs.
        route: as many sites read as rebuilt, each input before its target.
        untouched: tokens (special ones, say) whose activations stay.

    Raises:
        UsageError: the route has not a target for each input.

    Source: Ameisen et al. 2025, "Circuit Tracing: Revealing Computational Graphs in Language Models", "From Cross-Layer
    Transcoder to Replacement Model"; neither attention patterns nor norms are frozen here, and no error is added.
    """
    route = Route.of(route, model.spec)
    if len(route.inputs) != len(route.targets):
        raise UsageError("every layer needs a site to read and a target", value=str(route), remedy="Pair them up.")
    written: list[list[Tensor]] = []
    with ExitStack() as opened:
        read = opened.enter_context(model.read(*route.inputs))
        for layer, target in enumerate(route.targets):
            opened.enter_context(
                replace(model, target, _rebuilt(dictionary, route, layer, read, written), untouched=untouched)
            )
        yield


def _rebuilt(
    dictionary: LayeredCodec, route: Route, layer: int, read: dict[str, Tensor], written: list[list[Tensor]]
) -> Callable[[Tensor], Tensor]:
    def rebuilt(activation: Tensor) -> Tensor:
        codes = dictionary.encode_layer(layer, read[str(route.inputs[layer])])
        parts = dictionary.written_by(layer, codes)
        del written[layer:]  # of the pass before
        written.append(list(parts.unbind(-2)))
        arriving = (own[layer - source] for source, own in enumerate(written))
        return sum(arriving, dictionary.layer_bias(layer))

    return rebuilt
