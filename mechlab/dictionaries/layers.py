"""Vectors that are several layers' vectors side by side, and what is asked of each layer by itself."""

from typing import Any, TypeVar

import torch
from jaxtyping import Float
from pydantic import PositiveInt, field_validator
from torch import Tensor

from mechlab.core.config import build
from mechlab.core.shapes import Targets
from mechlab.dictionaries.dictionary import DictionaryConfig

ConfigT = TypeVar("ConfigT", bound="LayersConfig")


class LayersConfig(DictionaryConfig):
    """`n_layers`: how many layers' vectors stand side by side in the input, and in the target.

    `d_in` and `d_out` are the widths of the whole; `of_layers` takes those of one layer. Layers may be one model's or
    the same layer of several models: a dictionary of two models compares them.
    """

    n_layers: PositiveInt = 1

    @field_validator("n_layers")
    @classmethod
    def _layers_divide_the_widths(cls, value: int, info: Any) -> int:
        for name in ("d_in", "d_out"):
            width = info.data.get(name)
            if width is not None and width % value:
                raise ValueError(f"{name} = {width} does not divide into that many equal layers")
        return value

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
