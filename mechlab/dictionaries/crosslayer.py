"""Features that read one layer and write to that layer and all later ones: parameters without the blocks of zeros.

1. Features are numbered layer by layer; those of layer l read the input's part l alone.
2. A feature of layer l has one direction for each layer from l on, stored side by side in one row.
3. What the features of each layer write is summed where it arrives: layer l's part covers the last columns.
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import torch
from jaxtyping import Float
from pydantic import field_validator
from torch import Tensor

from mechlab.core.errors import UsageError
from mechlab.core.shapes import Codes, Inputs, Targets
from mechlab.dictionaries.dictionary import random_rows
from mechlab.dictionaries.layer_tiles import LayerTiles
from mechlab.dictionaries.layered import Layered
from mechlab.dictionaries.layers import LayersConfig, split_layers
from mechlab.dictionaries.tiles import Tiles

ConfigT = TypeVar("ConfigT", bound="CrosslayerConfig")


class CrosslayerConfig(LayersConfig):
    """`d_sae` counts the features of all layers; each layer has as many.

    The target is never the input, though it may be as wide: `d_out` left out means as wide.
    """

    @field_validator("apply_b_dec_to_input", "skip")
    @classmethod
    def _only_features_lead_across(cls, value: bool | None) -> bool | None:
        if value:
            raise ValueError(
                "a cross-layer transcoder has no skip, and the bias of its targets does not fit its inputs"
            )
        return value

    @field_validator("n_layers")
    @classmethod
    def _layers_divide_the_features(cls, value: int, info: Any) -> int:
        d_sae = info.data.get("d_sae", 0)
        if d_sae % value:
            raise ValueError(f"d_sae = {d_sae} does not divide into that many equal layers")
        return value

    @classmethod
    def keys_of_sites(cls, widths_in: Sequence[int], widths_out: Sequence[int]) -> dict[str, Any]:
        """Return what every kind of several layers takes from its sites.

        Raises:
            UsageError: as for these, or there is no target.
        """
        keys = super().keys_of_sites(widths_in, widths_out)
        if not widths_out:
            remedy = "Give --site mlp for the MLP of every layer, or as many sites to --target as to --site."
            raise UsageError("a cross-layer transcoder needs targets", remedy=remedy)
        return keys

    @property
    def d_sae_per_layer(self) -> int:
        """Number of features that read one layer."""
        return self.d_sae // self.n_layers

    @property
    def n_parameters(self) -> int:
        """Number of trained numbers in encoder, decoder and their biases."""
        directions = self.d_sae_per_layer * self.n_layers * (self.n_layers + 1) // 2
        return self.d_sae * (self.d_layer_in + 1) + directions * self.d_layer_out + self.width_out

    @property
    def levels(self) -> tuple[range, ...]:
        """The features of each layer."""
        n = self.d_sae_per_layer
        return tuple(range(layer * n, (layer + 1) * n) for layer in range(self.n_layers))

    @property
    def centred(self) -> bool:
        """Whether `b_dec` is subtracted from the input: never."""
        return False

    @classmethod
    def of_layers(
        cls: type[ConfigT], n_layers: int, d_in: int, d_sae: int, d_out: int | None = None, **options: Any
    ) -> ConfigT:
        """Return the config for `n_layers` layers of these widths, `d_sae` features each.

        Raises:
            ConfigError: a value does not fit.
        """
        return super().of_layers(n_layers, d_in, n_layers * d_sae, d_out, **options)


class Crosslayer(Layered):
    """A dictionary whose layers share the work: earlier features help to rebuild later targets, never the other way.

    `encoder [d_sae, d_layer_in]` has a row for every feature. `decoder[l]` has the rows of directions of layer l's
    features, `[d_sae_per_layer, (n_layers - l) * d_layer_out]`, the direction at layer l itself first.

    Source: Ameisen et al. 2025, "Circuit Tracing: Revealing Computational Graphs in Language Models", "Building an
    Interpretable Replacement Model".
    """

    parallel = frozenset({"rows"})

    def draw_parameters(self, draw: torch.Generator) -> None:
        """Create the parameters; a feature's whole row of directions has the initial norm."""
        config = self.config
        norm, features = config.decoder_init_norm, config.d_sae_per_layer
        for layer in range(config.n_layers):
            width = (config.n_layers - layer) * config.d_layer_out
            block = torch.nn.Parameter(random_rows(features, width, norm, draw))
            self.register_parameter(f"W_dec_{layer}", block)
        self.encoder = torch.nn.Parameter(random_rows(config.d_sae, config.d_layer_in, norm, draw))
        self.b_enc = torch.nn.Parameter(torch.zeros(config.d_sae))
        self.b_dec = torch.nn.Parameter(torch.zeros(config.width_out))

    @property
    def decoder(self) -> list[torch.nn.Parameter]:
        """The directions of each layer's features."""
        return [getattr(self, f"W_dec_{layer}") for layer in range(self.config.n_layers)]

    @property
    def W_enc(self) -> Float[Tensor, "d_in d_sae"]:
        """The encoder with its blocks of zeros, for looking at: a copy, as large as the square of the layers."""
        return torch.block_diag(*self.encoder.T.split(self.config.d_sae_per_layer, dim=1))

    @property
    def W_dec(self) -> Float[Tensor, "d_sae d_out"]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The decoder with its blocks of zeros, for looking at: a copy, as large as the square of the layers."""
        width = self.config.width_out
        return torch.cat([torch.nn.functional.pad(block, (width - block.shape[1], 0)) for block in self.decoder])

    def layer_codes(self, codes: Float[Tensor, "*batch d_sae"]) -> Float[Tensor, "*batch n_layers d_sae_per_layer"]:
        """Return a view of codes with an axis for the layer that they read."""
        return split_layers(codes, self.config.n_layers)

    def pre_activations(self, x: Inputs) -> Codes:
        """Return the linear part of the encoder, one matrix product per layer."""
        n = self.config.n_layers
        encoder, by_layer = self.encoder.unflatten(0, (n, -1)), split_layers(x, n).transpose(0, 1)
        pre = torch.baddbmm(self.b_enc.view(n, 1, -1), by_layer, encoder.mT)
        return pre.transpose(0, 1).reshape(len(x), -1)

    def tiles(self, inputs: Inputs) -> Tiles:
        """Return the pre-activations a few rows at a time, layer by layer."""
        by_layer = split_layers(inputs, self.config.n_layers).transpose(0, 1).flatten(0, 1)
        return LayerTiles(by_layer, self.encoder, self.b_enc, None, self.config.n_layers)

    def decode(self, codes: Float[Tensor, "*batch d_sae"]) -> Float[Tensor, "*batch d_out"]:
        """Return the reconstruction that codes stand for."""
        by_layer = self.layer_codes(codes.reshape(-1, self.config.d_sae)).unbind(1)
        parts = [own @ block for own, block in zip(by_layer, self.decoder, strict=True)]
        return arrive(self.b_dec, parts).reshape(*codes.shape[:-1], -1)

    @torch.no_grad()
    def scale_encoder(self, factors: Float[Tensor, "n_layers 1"]) -> None:
        """Multiply what each layer's features read."""
        self.encoder.unflatten(0, (self.config.n_layers, -1)).mul_(factors[..., None])

    def encode_layer(
        self, layer: int, x: Float[Tensor, "*batch d_layer_in"]
    ) -> Float[Tensor, "*batch d_sae_per_layer"]:
        """Return the codes of the features that read one layer, from that layer's vectors alone."""
        level = self.config.levels[layer]
        own = x.reshape(-1, self.config.d_layer_in) @ self.encoder[level.start : level.stop].T
        before, after = level.start, self.config.d_sae - level.stop
        pre = torch.nn.functional.pad(own + self.b_enc[level.start : level.stop], (before, after))
        return self.activate(pre)[:, level.start : level.stop].reshape(*x.shape[:-1], -1)

    def written_by(
        self, layer: int, codes: Float[Tensor, "*batch d_sae_per_layer"]
    ) -> Float[Tensor, "*batch layers_from_here d_layer_out"]:
        """Return what the codes of one layer's features add to the targets of that layer and all later ones."""
        return split_layers(codes @ self.decoder[layer], self.config.n_layers - layer)

    def layer_bias(self, layer: int) -> Float[Tensor, "d_layer_out"]:
        """Return what a layer's target is where no feature writes."""
        return split_layers(self.b_dec, self.config.n_layers)[layer]

    def norms_of_directions(self) -> Float[Tensor, "d_sae"]:
        """Return the norm of each feature's directions put end to end."""
        n, d_out = self.config.n_layers, self.config.d_layer_out
        if self.layer_units is None:
            return torch.cat([block.norm(dim=-1) for block in self.decoder])
        by_layer = [block.unflatten(1, (-1, d_out)).norm(dim=-1) for block in self.decoder]
        return torch.cat([(own * self.layer_units[n - own.shape[1] :]).norm(dim=-1) for own in by_layer])

    def decoder_blocks(self) -> list[torch.nn.Parameter]:
        """Return the directions of each layer's features."""
        return self.decoder

    def writes_to(self) -> Float[Tensor, "d_sae n_layers"]:
        """Return the norm of each feature's direction at each layer: zero before the layer it reads."""
        n, blocks = self.config.n_layers, []
        for layer, block in enumerate(self.decoder):
            norms = split_layers(block.detach(), n - layer).norm(dim=-1)
            blocks.append(torch.nn.functional.pad(norms, (layer, 0)))
        return torch.cat(blocks)

    def saelens_tensors(self) -> dict[str, Tensor]:
        """Return the tensors by layer, named and shaped as circuit-tracer's files hold them."""
        n = self.config.n_layers
        whole = {name: value for name, value in self.named_parameters() if value not in set(self.decoder)}
        whole["W_enc"] = whole.pop("encoder")
        parts = {f"{name}_{i}": part for name, value in whole.items() for i, part in enumerate(value.chunk(n))}
        blocks = {f"W_dec_{i}": split_layers(block, n - i) for i, block in enumerate(self.decoder)}
        return {name: value.detach().clone() for name, value in {**parts, **blocks}.items()}

    @torch.no_grad()
    def load_saelens(self, tensors: Mapping[str, Tensor]) -> None:
        """Take the parameters from tensors by layer, in their dtype."""
        n = self.config.n_layers
        names = {"W_enc"} | {name for name, _ in self.named_parameters()} - {
            "encoder",
            *(f"W_dec_{i}" for i in range(n)),
        }
        whole = {name: torch.cat([tensors[f"{name}_{i}"] for i in range(n)]) for name in sorted(names)}
        blocks = {f"W_dec_{i}": tensors[f"W_dec_{i}"].flatten(1) for i in range(n)}
        super().load_saelens({**tensors, **whole, "W_enc": whole["W_enc"].T, **blocks})


class Arrive(torch.autograd.Function):
    """The sum of parts that each cover the last columns, on top of a bias."""

    @staticmethod
    def forward(ctx: Any, bias: Tensor, *parts: Tensor) -> Tensor:
        """Return the sum."""
        ctx.widths = [part.shape[1] for part in parts]
        total = bias.expand(len(parts[0]), -1).clone()
        for part in parts:
            total[:, -part.shape[1] :] += part
        return total

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        """Return the gradients of the bias and of each part: views of the one that arrives."""
        return grad.sum(0), *(grad[:, -width:] for width in ctx.widths)


def arrive(b_dec: Float[Tensor, "d_out"], parts: list[Float[Tensor, "batch _"]]) -> Targets:
    """Return the sum of what each layer's features write, part l covering layers l and later, plus `b_dec`."""
    return Arrive.apply(b_dec, *parts)  # type: ignore[return-value]
