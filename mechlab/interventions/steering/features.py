"""Features as steering needs them: where they are read, what their codes are, and what one unit of a code writes where.

A single dictionary and a layer of a set of transcoders look alike from here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mechlab.core.errors import UsageError
from mechlab.dictionaries.code_units import writers
from mechlab.dictionaries.dictionary import Dictionary
from mechlab.dictionaries.some_codes import encoder_of
from mechlab.interventions.steering.parts import FeaturePart
from mechlab.interventions.transcoder_set import WRITTEN_KIND, TranscoderSet
from mechlab.models.route import Route
from mechlab.models.sites import Site
from mechlab.models.spec import ModelSpec

Writers = Callable[[Tensor, Site], Tensor | None]
Encoder = Callable[[Tensor], Tensor]
Sources = Mapping[str, Tensor | Dictionary | TranscoderSet]


@dataclass(frozen=True, eq=False)
class Features:
    """Features that are read at one place.

    Attributes:
        read: where.
        targets: the places they write to, in the order of the forward pass.
        n: how many there are.
        width: of what they read.
        encoder: gives what encodes the features of these numbers.
        writers: gives what one unit of each code adds at a place, None for a place they do not reach.
    """

    read: Site
    targets: tuple[Site, ...]
    n: int
    width: int
    dtype: torch.dtype
    encoder: Callable[[Int[Tensor, "n"]], Encoder]
    writers: Writers

    def codes_of(self, numbers: Int[Tensor, "n"]) -> Encoder:
        """Return what gives these features' codes, in their order and number type.

        Asked again about the very same tensor, as by each of the sites that a feature writes to, it gives those found
        before.
        """
        encode, last = self.encoder(numbers), []

        def codes(x: Float[Tensor, "batch pos width"]) -> Float[Tensor, "batch pos n"]:
            if not last or last[0] is not x:
                last[:] = x, encode(x.to(self.dtype))
            return last[1]

        return codes

    def checked(self, feature: int) -> int:
        """Return the feature's number.

        Raises:
            UsageError: there is no such feature.
        """
        if not 0 <= feature < self.n:
            raise UsageError("no such feature", value=feature, remedy=f"Features are 0..{self.n - 1}.")
        return feature


def features_of(part: FeaturePart, place: str | None, sources: Sources, spec: ModelSpec) -> Features:
    """Return the features among which a part is.

    Args:
        part: names the dictionary, and the layer in a set of transcoders.
        place: site or route at which a single dictionary was trained; None for a set.
        sources: what is given under names.
        spec: of the model.

    Raises:
        UsageError: nothing of the kind is given under the name, there is no such layer, or a single dictionary reads
            or rebuilds several sites.
    """
    found = sources.get(part.dictionary)
    if isinstance(found, TranscoderSet) and part.layer is not None:
        return _of_set(found, part.layer)
    if isinstance(found, Dictionary) and place is not None:
        return _of_dictionary(found, Route.of(place, spec))
    wanted = "a set of transcoders" if part.layer is not None else "a dictionary"
    remedy = f"Give {wanted} of this name." if place or part.layer is not None else "Say at which site it was trained."
    raise UsageError(f"{wanted} is needed under this name", value=part.dictionary, remedy=remedy)


def _of_dictionary(dictionary: Dictionary[Any], route: Route) -> Features:
    if len(route.inputs) != 1 or len(route.rebuilt) != 1:
        remedy = "Give a set of transcoders, or take one input and one target."
        raise UsageError("cannot steer a dictionary of several sites", value=str(route), remedy=remedy)
    return Features(
        read=route.inputs[0],
        targets=route.rebuilt,
        n=len(dictionary.W_dec),
        width=dictionary.config.d_in,
        dtype=dictionary.b_dec.dtype,
        encoder=lambda features: encoder_of(dictionary, features),
        writers=lambda features, site: writers(dictionary, features),
    )


def _of_set(transcoders: TranscoderSet, layer: int) -> Features:
    if layer >= transcoders.n_layers:
        raise UsageError("no such layer", value=layer, remedy=f"Layers are 0..{transcoders.n_layers - 1}.")
    return Features(
        read=Site(transcoders.read_kind, layer),
        targets=tuple(Site(WRITTEN_KIND, target) for target in transcoders.reach(layer)),
        n=transcoders.n_features(layer),
        width=len(transcoders.bias(layer)),
        dtype=transcoders.bias(layer).dtype,
        encoder=lambda features: transcoders.encoder_of(layer, features),
        writers=lambda features, site: transcoders.writers(layer, features, int(site.layer or 0)),
    )
