"""A transcoder for every MLP of a model: what each layer's features read, and what they add to which MLP outputs.

Two kinds stand behind one face: a transcoder for each layer, with a skip or without, and one cross-layer transcoder
whose features write to their own layer and all later ones.
"""

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mechlab.core.errors import UsageError
from mechlab.dictionaries.code_units import code_units, readers, writers
from mechlab.dictionaries.crosslayer import Crosslayer
from mechlab.dictionaries.dictionary import Dictionary
from mechlab.dictionaries.some_codes import encoder_of
from mechlab.models.route import Route
from mechlab.models.spec import ModelSpec

READ_KINDS = ("ln2_normalized", "resid_mid")
WRITTEN_KIND = "mlp_out"
Features = Int[Tensor, "n"]
Vectors = Float[Tensor, "n d_model"]


@dataclass(frozen=True, eq=False)
class TranscoderSet:
    """Features of all layers of a model, numbered within each layer.

    Attributes:
        layers: each layer's transcoder, or the same cross-layer transcoder for all.
        read_kind: the place that every layer's features read: `ln2_normalized` (before the norm's gain) or
            `resid_mid`.
    """

    layers: Sequence[Dictionary]
    read_kind: str

    @staticmethod
    def of(by_route: Mapping[str, Dictionary], spec: ModelSpec) -> "TranscoderSet":
        """Return the set that dictionaries make, each under the route it was trained on: `mlp.1`, or `mlp` for all.

        Raises:
            UsageError: a layer has none or two, a route does not lead from an MLP's input to its output, the layers
                read different places, or a dictionary is not as wide as the model.
        """
        found: dict[int, Dictionary] = {}
        kinds = set()
        for text, dictionary in by_route.items():
            route = Route.of(text, spec)
            _refuse_other_places(route, dictionary, spec)
            for site in route.inputs:
                if site.layer in found:
                    raise UsageError("layer has two transcoders", value=site.layer, remedy="Give one for each.")
                found[site.layer or 0] = dictionary
                kinds.add(site.kind)
        if missing := [layer for layer in range(spec.n_layers) if layer not in found]:
            remedy = f"Give one for each of the {spec.n_layers} layers."
            raise UsageError("layers have no transcoder", value=", ".join(map(str, missing)), remedy=remedy)
        if len(kinds) > 1:
            value = ", ".join(sorted(kinds))
            raise UsageError("transcoders read different places", value=value, remedy="Give ones that read alike.")
        return TranscoderSet(tuple(found[layer] for layer in range(spec.n_layers)), kinds.pop())

    @property
    def n_layers(self) -> int:
        """Number of layers."""
        return len(self.layers)

    def in_dtype(self, dtype: torch.dtype) -> "TranscoderSet":
        """Return the set in a number type; itself, if it has no other."""
        different = {id(one): one for one in self.layers}
        if all(parameter.dtype == dtype for one in different.values() for parameter in one.parameters()):
            return self
        made = {key: deepcopy(one).to(dtype) for key, one in different.items()}
        return replace(self, layers=tuple(made[id(one)] for one in self.layers))

    def opened(self, layer: int) -> Dictionary:
        """Return a layer's transcoder with all its weights."""
        return self.layers[layer]

    def let_go(self) -> None:
        """Free the weights that can be read again: none of a set that is in memory."""

    def reach(self, layer: int) -> range:
        """Return the layers whose MLP outputs a layer's features write to."""
        return range(layer, self.n_layers if isinstance(self.layers[layer], Crosslayer) else layer + 1)

    def site(self, layer: int) -> str:
        """Return the place that a layer's features read."""
        return f"{self.read_kind}.{layer}"

    def n_features(self, layer: int) -> int:
        """Return how many features a layer has."""
        own = self.layers[layer].config
        return len(own.levels[layer]) if isinstance(self.layers[layer], Crosslayer) else own.d_sae

    def codes(self, layer: int, x: Float[Tensor, "*batch d_model"]) -> Float[Tensor, "*batch n_features"]:
        """Return the codes of a layer's features."""
        own = self.opened(layer)
        return own.encode_layer(layer, x) if isinstance(own, Crosslayer) else own.encode(x)

    def encoder_of(self, layer: int, features: Features) -> Callable[[Tensor], Tensor]:
        """Return what gives, of what a layer reads, the codes of these features; others may stay unread."""
        own = self.opened(layer)
        if isinstance(own, Crosslayer):
            return lambda x: self.codes(layer, x)[..., features]
        return encoder_of(own, features)

    def written_by(
        self, layer: int, codes: Float[Tensor, "*batch n_features"]
    ) -> Float[Tensor, "*batch layers_from_here d_model"]:
        """Return what codes of a layer's features add to the MLP outputs of that layer and of later ones they reach."""
        own = self.opened(layer)
        if isinstance(own, Crosslayer):
            return own.written_by(layer, codes)
        return (own.decode(codes) - own.b_dec)[..., None, :]

    def readers(self, layer: int, features: Features) -> tuple[Vectors, Float[Tensor, "n"]]:
        """Return rows and biases that give, with what the layer reads, the features' codes where they are on."""
        return readers(self.opened(layer), self._numbers(layer, features))

    def writers(self, layer: int, features: Features, target: int) -> Vectors | None:
        """Return what codes of 1 add to a layer's MLP output; None where features of this layer add nothing."""
        if target not in self.reach(layer):
            return None
        own = self.opened(layer)
        if not isinstance(own, Crosslayer):
            return writers(own, features)
        block = own.decoder[layer].detach()[features].unflatten(1, (-1, own.config.d_layer_out))
        return block[:, target - layer] / code_units(own, self._numbers(layer, features))[:, None]

    def bias(self, layer: int) -> Float[Tensor, "d_model"]:
        """Return what a layer's reconstruction is where no feature is on."""
        own = self.layers[layer]
        return (own.layer_bias(layer) if isinstance(own, Crosslayer) else own.b_dec).detach()

    def skip(self, layer: int) -> Float[Tensor, "d_model d_model"] | None:
        """Return the matrix that takes what a layer reads to what it adds, from the left; None without a skip."""
        skip = self.layers[layer].W_skip
        return None if skip is None else skip.detach()

    def _numbers(self, layer: int, features: Features) -> Features:
        """Return the numbers that the dictionary itself gives to a layer's features."""
        own = self.layers[layer]
        return features + own.config.levels[layer].start if isinstance(own, Crosslayer) else features


def _refuse_other_places(route: Route, dictionary: Dictionary, spec: ModelSpec) -> None:
    pairs = list(zip(route.inputs, route.targets, strict=False))
    fits = len(route.inputs) == len(route.targets) and all(
        read.kind in READ_KINDS and written.kind == WRITTEN_KIND and read.layer == written.layer
        for read, written in pairs
    )
    if not fits:
        remedy = "Give transcoders that lead from an MLP's input to its output, such as mlp.1."
        raise UsageError("transcoder does not stand in for an MLP", value=str(route), remedy=remedy)
    if len(pairs) > 1 and not (isinstance(dictionary, Crosslayer) and len(pairs) == spec.n_layers):
        remedy = "Give a cross-layer transcoder of all layers, or one transcoder for each."
        raise UsageError("not a cross-layer transcoder of all layers", value=str(route), remedy=remedy)
    wide = [width // len(pairs) for width in (dictionary.config.d_in, dictionary.config.width_out)]
    if other := [width for width in wide if width != spec.d_model]:
        remedy = f"The model's width is {spec.d_model}."
        raise UsageError("transcoder is not as wide as the model", value=other[0], remedy=remedy)
