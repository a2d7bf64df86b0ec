"""The direction a feature writes: its decoder row, as long as one unit of its activation makes it."""

from collections.abc import Sequence
from typing import ClassVar

import torch
from jaxtyping import Float
from pydantic import Field, NonNegativeInt
from torch import Tensor

from mechlab.circuits.directions.direction import Direction, directed
from mechlab.circuits.directions.material import DirectionMaterial
from mechlab.core.config import Config
from mechlab.core.errors import UsageError
from mechlab.dictionaries.code_units import writers
from mechlab.interventions.transcoder_set import WRITTEN_KIND, TranscoderSet


class FeatureDirection(Config):
    """What a feature of a dictionary, or of a layer of a set of transcoders, writes."""

    kind: ClassVar[str] = "feature"
    needs: ClassVar[tuple[str, ...]] = ("site", "dictionary")

    feature: NonNegativeInt = Field(description="Its number; of a set of transcoders, within the layer.")
    layer: NonNegativeInt | None = Field(
        default=None,
        description="Of a set of transcoders: features write to its mlp_out, cross-layer ones to it first.",
    )

    def find(self, material: DirectionMaterial) -> Direction:
        """Return the feature's direction; its natural length is that of one unit of activation.

        Raises:
            UsageError: there is no dictionary, feature or layer, the dictionary does not fit the site, or the
                feature's row is zero.
        """
        site, rows = feature_rows(material, [self.feature], self.layer)
        return written_by(material, site, rows[0], self.feature, self.kind)


def feature_rows(
    material: DirectionMaterial, features: Sequence[int], layer: int | None = None
) -> tuple[str, Float[Tensor, "n d_out"]]:
    """Return a site, and what one unit of each feature's activation adds there.

    Raises:
        UsageError: there is no dictionary, feature or layer, or the dictionary does not fit the site.
    """
    dictionary: object = material.need("dictionary")
    n_features = n_features_of(material, layer)
    for feature in features:
        if not 0 <= feature < n_features:
            raise UsageError("no such feature", value=feature, remedy=f"Features are 0..{n_features - 1}.")
    numbers = torch.tensor(list(features), dtype=torch.long)
    if isinstance(dictionary, TranscoderSet):
        rows = dictionary.writers(layer or 0, numbers.to(dictionary.bias(layer or 0).device), layer or 0)
        assert rows is not None
        return f"{WRITTEN_KIND}.{layer}", rows.detach().cpu()
    rows = writers(dictionary, numbers).detach().cpu()  # type: ignore[arg-type]
    return material.place(rows.shape[1], "dictionary"), rows


def n_features_of(material: DirectionMaterial, layer: int | None) -> int:
    """Return how many features there are to choose from.

    Raises:
        UsageError: a set of transcoders needs a layer and a dictionary none, or there is no such layer.
    """
    dictionary = material.need("dictionary")
    if not isinstance(dictionary, TranscoderSet):
        if layer is not None:
            remedy = "Leave it out; the site says where a single dictionary writes."
            raise UsageError("a dictionary has no layers", value=layer, remedy=remedy)
        return len(dictionary.W_dec)
    if layer is None or layer >= dictionary.n_layers:
        remedy = f"Layers are 0..{dictionary.n_layers - 1}."
        raise UsageError("transcoders have no such layer", value="none" if layer is None else layer, remedy=remedy)
    return dictionary.n_features(layer)


def written_by(
    material: DirectionMaterial,
    site: str,
    row: Float[Tensor, "d_out"],
    feature: int,
    kind: str,
    **details: int | float | str,
) -> Direction:
    """Return the direction of one feature's row."""
    known = {"feature": feature, **details}
    return directed(material.model, site, row, kind, f"feature {feature} at {site}", details=known)
