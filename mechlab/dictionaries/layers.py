"""Vectors that are several layers' vectors side by side, and what is asked of each layer by itself."""

from collections.abc import Sequence
from typing import Annotated, Any, TypeVar

import torch
from jaxtyping import Float
from pydantic import PositiveInt, field_validator
from torch import Tensor

from mechlab.core.config import SetElsewhere, build
from mechlab.core.errors import UsageError
from mechlab.core.shapes import Targets
from mechlab.dictionaries.dictionary import DictionaryConfig

ConfigT = TypeVar("ConfigT", bound="LayersConfig")


class LayersConfig(DictionaryConfig):
    """`n_layers`: how many layers' vectors stand side by side in the input, and in the target.

    `d_in` and `d_out` are the widths of the whole; `of_layers` takes those of one layer. Layers may be one model's or
    the same layer of several models: a dictionary of two models compares them.
    """

    n_layers: Annotated[PositiveInt, SetElsewhere()] = 1

    @field_validator("n_layers")
    @classmethod
    def _layers_divide_the_widths(cls, value: int, info: Any) -> int:
        for name in ("d_in", "d_out"):
            width = info.data.get(name)
            if width is not None and width % value:
                raise ValueError(f"{name} = {width} does not divide into that many equal layers")
        return value

    @classmethod
    def keys_of_sites(cls, widths_in: Sequence[int], widths_out: Sequence[int]) -> dict[str, Any]:
        """Return the widths of the whole, and as many layers as there are sites.

        Raises:
            UsageError: there is one site, the sites differ in width, or there are more targets than inputs or fewer.
        """
        if len(widths_in) < 2:
            remedy = "Give several, as --site resid_post.1,resid_post.2, or --site mlp for the MLP of every layer."
            raise UsageError("a dictionary of several layers needs several sites", value=len(widths_in), remedy=remedy)
        if len(widths_out) not in (0, len(widths_in)):
            value = f"{len(widths_in)} read, {len(widths_out)} rebuilt"
            raise UsageError("every layer needs a site to read and a target", value=value, remedy="Pair them up.")
        for end, widths in (("sites", widths_in), ("targets", widths_out)):
            if len(set(widths)) > 1:
                value = ", ".join(map(str, widths))
                raise UsageError(f"{end} of the layers differ in width", value=value, remedy="Give equally wide ones.")
        return {**super().keys_of_sites(widths_in, widths_out), "n_layers": len(widths_in)}

    @property
    def n_scales(self) -> int:
        """One scale for each layer, lest the one with the largest vectors decide what is learnt."""
        return self.n_layers

    @property
    def d_layer_in(self) -> int:
        """Width of one layer's input."""
        return self.d_in // self.n_layers

    @property
    def d_layer_out(self) -> int:
        """Width of one layer's target."""
        return self.width_out // self.n_layers

    @classmethod
    def of_layers(
        cls: type[ConfigT], n_layers: int, d_in: int, d_sae: int, d_out: int | None = None, **options: Any
    ) -> ConfigT:
        """Return the config for `n_layers` layers of these widths each; `d_sae` counts all features.

        Raises:
            ConfigError: a value does not fit.
        """
        widths = {"d_in": n_layers * d_in, "d_out": None if d_out is None else n_layers * d_out}
        return build(cls, {"n_layers": n_layers, "d_sae": d_sae, **widths, **options})


def split_layers(vectors: Float[Tensor, "*batch width"], n_layers: int) -> Float[Tensor, "*batch n_layers d_layer"]:
    """Return a view of side-by-side vectors with an axis for the layer."""
    return vectors.unflatten(-1, (n_layers, -1))


@torch.no_grad()
def explained_variance_by_layer(reconstruction: Targets, targets: Targets, n_layers: int) -> Float[Tensor, "n_layers"]:
    """Return for each layer 1 minus squared error over squared distance from the batch mean; 0 where nothing varies.

    Beside the whole's explained variance, in which the layers with the largest vectors decide.
    """
    spread = split_layers((targets - targets.mean(0)).double().square(), n_layers).sum((0, 2))
    error = split_layers((reconstruction - targets).double().square(), n_layers).sum((0, 2))
    return torch.where(spread > 0, 1 - error / spread, 0.0)
