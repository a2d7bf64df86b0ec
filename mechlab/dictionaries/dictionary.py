"""A sparse dictionary: parameters, the maps between vectors and codes, and the loss that trains them."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, ClassVar, Generic, TypeVar

import torch
from jaxtyping import Bool, Float
from pydantic import Field, PositiveFloat, PositiveInt, field_validator, model_serializer
from torch import Tensor

from mechlab.core.config import Config, SetElsewhere
from mechlab.core.randomness import torch_generator
from mechlab.core.shapes import Codes, Inputs, Targets
from mechlab.dictionaries.centred_linear import centred_linear, row_norms
from mechlab.dictionaries.dense_path import Weights
from mechlab.dictionaries.peers import ALONE, Alone
from mechlab.dictionaries.tiles import Tiles


class DictionaryConfig(Config):
    """Sizes every kind has; where `d_out`, the target's width, is None, the target is the input (an autoencoder)."""

    d_in: Annotated[PositiveInt, SetElsewhere()]
    d_sae: Annotated[PositiveInt, SetElsewhere()]
    d_out: Annotated[PositiveInt | None, SetElsewhere()] = None
    apply_b_dec_to_input: bool | None = Field(
        default=None, description="Subtract b_dec before encoding. Left out: where the target is the input."
    )
    decoder_init_norm: PositiveFloat | None = Field(
        default=0.1, description="Initial norm of each feature's direction; null leaves the Kaiming draw."
    )
    skip: bool = Field(default=False, description="Add an affine map of the input, for what is linear.")

    @field_validator("apply_b_dec_to_input")
    @classmethod
    def _only_an_autoencoder_is_centred(cls, value: bool | None, info: Any) -> bool | None:
        if value and info.data.get("d_out") is not None:
            raise ValueError("b_dec lives in the target's space; with d_out leave apply_b_dec_to_input out")
        return value

    @field_validator("skip")
    @classmethod
    def _an_autoencoder_has_no_skip(cls, value: bool, info: Any) -> bool:
        if value and info.data.get("d_out", 0) is None:
            raise ValueError("a skip leads to a target that is not the input; give a target (d_out)")
        return value

    @model_serializer(mode="wrap")
    def _plain(self, fields: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        """Return the fields, `skip` only where there is one: what has none keeps the identity it had before skips."""
        return {name: value for name, value in fields(self).items() if name != "skip" or value}

    @classmethod
    def keys_of_sites(cls, widths_in: Sequence[int], widths_out: Sequence[int]) -> dict[str, Any]:
        """Return the keys that the places in a model decide.

        Args:
            widths_in: of each site that is read, side by side.
            widths_out: of each site that is rebuilt; none where those read are their own target.

        Raises:
            UsageError: the kind cannot be trained on such sites.
        """
        return {"d_in": sum(widths_in), "d_out": sum(widths_out) or None}

    @property
    def n_scales(self) -> int:
        """How many equal parts of a vector are scaled each by itself in training."""
        return 1

    @property
    def width_out(self) -> int:
        """Width of the target."""
        return self.d_in if self.d_out is None else self.d_out

    @property
    def n_parameters(self) -> int:
        """Number of trained numbers in encoder, decoder, their biases and the skip."""
        skip = self.d_in * self.width_out if self.skip else 0
        return self.d_sae * (self.d_in + self.width_out + 1) + self.width_out + skip

    @property
    def levels(self) -> tuple[range, ...]:
        """Groups of features within which names mean nothing: one of all, unless a kind nests its features."""
        return (range(self.d_sae),)

    @property
    def centred(self) -> bool:
        """Whether `b_dec` is subtracted from the input."""
        return self.d_out is None if self.apply_b_dec_to_input is None else self.apply_b_dec_to_input


ConfigT = TypeVar("ConfigT", bound=DictionaryConfig)


@dataclass(frozen=True)
class StepContext:
    """What a loss may know beside its batch: the step's number, the features that are dead by now, and whether so few
    codes are on that it should touch no others.
    """

    step: int
    dead: Bool[Tensor, "d_sae"]
    few_fire: bool = False


@dataclass(frozen=True)
class Losses:
    """One batch's loss and what the training loop counts.

    `total` is the sum of `parts`; `l0` is the mean number of codes above zero; `observed` carries what the kind's
    `after_step` needs.
    """

    parts: dict[str, Float[Tensor, ""]]
    reconstruction: Float[Tensor, "batch d_out"]
    fired: Bool[Tensor, "d_sae"]
    l0: Float[Tensor, ""]
    observed: dict[str, Tensor] = field(default_factory=dict)

    @property
    def total(self) -> Float[Tensor, ""]:
        """The loss that is minimised."""
        return torch.stack(list(self.parts.values())).sum()


class Dictionary(torch.nn.Module, ABC, Generic[ConfigT]):
    """Features of one site: `encode` gives codes, `decode` sums feature directions weighted by codes, plus `b_dec`.

    With a skip, `W_skip @ x` is added to what codes stand for; the skip is trained with the rest, from zero.

    The encoder is stored one row per feature (`encoder [d_sae, d_in]`), so that a step which touches few features
    reads whole rows; `W_enc` is its transposed view.
    """

    kind: ClassVar[str]
    Config: ClassVar[type[DictionaryConfig]]
    saelens_architectures: ClassVar[tuple[str, ...]]
    dense_codes: ClassVar[int]
    """How many arrays of a number for each code of a batch, or of a tile of it, a training step holds at once."""
    in_tiles: ClassVar[bool] = False
    """Whether a training step on a CPU takes a batch in tiles, so that only those of one are held."""
    row_wise: ClassVar[bool] = False
    """Whether the loss is a mean over rows, so that a batch may be taken a few rows at a time."""
    tiles_at_once: ClassVar[int] = 1
    """How many of these the loss looks at in one go; those of a kind that itself goes through them are more."""
    codes_compete: ClassVar[bool] = False
    """Whether a feature's code depends on those of others, as where the largest are kept."""
    estimated_gradients: ClassVar[frozenset[str]] = frozenset()
    """Parameters whose gradient is a straight-through estimate, not the derivative of the loss."""
    W_skip: torch.nn.Parameter | None
    parallel: ClassVar[frozenset[str]] = frozenset({"rows"})
    """What several processes may share in training: a batch's `rows`, the dictionary's `features`."""
    undivided: ClassVar[frozenset[str]] = frozenset({"b_dec", "W_skip"})
    """Parameters and buffers that have no axis of features; of all others it is the first axis."""
    peers: Alone = ALONE

    def __init__(self, config: ConfigT, seed: int = 0) -> None:
        super().__init__()
        self.config = config
        self._norms: Tensor | None = None
        self.draw_parameters(torch_generator(seed, "dictionary"))
        skip = torch.nn.Parameter(torch.zeros(config.width_out, config.d_in)) if config.skip else None
        self.register_parameter("W_skip", skip)

    def draw_parameters(self, draw: torch.Generator) -> None:
        """Create encoder, decoder and their biases as they are before training."""
        config = self.config
        self.W_dec = torch.nn.Parameter(random_rows(config.d_sae, config.width_out, config.decoder_init_norm, draw))
        tied = config.d_out is None
        encoder = (
            self.W_dec.detach().clone()
            if tied
            else random_rows(config.d_sae, config.d_in, config.decoder_init_norm, draw)
        )
        self.encoder = torch.nn.Parameter(encoder)
        self.b_enc = torch.nn.Parameter(torch.zeros(config.d_sae))
        self.b_dec = torch.nn.Parameter(torch.zeros(config.width_out))

    @property
    def W_enc(self) -> Float[Tensor, "d_in d_sae"]:
        """The encoder as the field writes it: one column per feature (a view)."""
        return self.encoder.T

    def encode(self, x: Float[Tensor, "*batch d_in"]) -> Float[Tensor, "*batch d_sae"]:
        """Return the codes of each vector, zero where a feature is off."""
        rows = x.reshape(-1, self.config.d_in)
        return self.activate(self.pre_activations(rows)).reshape(*x.shape[:-1], self.config.d_sae)

    def decode(self, codes: Float[Tensor, "*batch d_sae"]) -> Float[Tensor, "*batch d_out"]:
        """Return the reconstruction that codes stand for, without what a skip adds."""
        return codes @ self.W_dec + self.b_dec

    def rebuild(
        self, x: Float[Tensor, "*batch d_in"], codes: Float[Tensor, "*batch d_sae"]
    ) -> Float[Tensor, "*batch d_out"]:
        """Return the reconstruction from codes, and from the vector itself where there is a skip."""
        return self.decode(codes) if self.W_skip is None else self.decode(codes) + x @ self.W_skip.T

    def forward(self, x: Float[Tensor, "*batch d_in"]) -> Float[Tensor, "*batch d_out"]:
        """Return the reconstruction of each vector (of its target, where the dictionary has one)."""
        return self.rebuild(x, self.encode(x))

    @abstractmethod
    def activate(self, pre: Codes) -> Codes:
        """Return the codes of pre-activations, row by row, as used after training."""

    def loss(self, inputs: Inputs, targets: Targets, context: StepContext) -> Losses:
        """Return the loss of one batch; changes nothing.

        With a skip, the codes answer for what it leaves of the target, and so do dead features that are revived. The
        error is that of the whole reconstruction, so the skip learns from it too.

        Source: Paulo et al. 2025, "Transcoders Beat Sparse Autoencoders for Interpretability", section 3 (skip
        transcoders); Dunefsky et al. 2024, "Transcoders Find Interpretable LLM Feature Circuits" (without a skip).
        """
        if self.W_skip is None:
            return self.sparse_loss(inputs, targets, context)
        skipped = self.peers.once(inputs @ self.W_skip.T)
        losses = self.sparse_loss(inputs, targets - skipped, context)
        return replace(losses, reconstruction=losses.reconstruction + skipped)

    def sparse_loss(self, inputs: Inputs, targets: Targets, context: StepContext) -> Losses:
        """Return the loss of the codes in rebuilding the targets, differentiable in the targets too.

        Every kind has its own. Targets are what a skip leaves, if there is one.
        """
        raise NotImplementedError(f"{type(self).__name__} has no loss")

    def few_fire(self, inputs: Inputs) -> bool:
        """Return whether so few codes are on that the loss should touch only those; judged by a few rows."""
        return False

    def after_step(self, losses: Losses) -> None:
        """Update what is learned without a gradient, once the parameters have been updated."""

    def pre_activations(self, x: Inputs) -> Codes:
        """Return the linear part of the encoder."""
        return centred_linear(x, self.encoder, self.b_enc, self.centre)

    def tiles(self, inputs: Inputs) -> Tiles:
        """Return the pre-activations a few rows at a time, for the choice of those that a loss touches; no gradient."""
        centred = inputs if self.centre is None else inputs - self.centre
        return Tiles(centred, self.encoder, self.b_enc, None)

    @property
    def weights(self) -> Weights:
        """What inputs and codes are multiplied with."""
        return Weights(self.encoder, self.b_enc, self.centre, self.W_dec)

    @property
    def centre(self) -> Float[Tensor, "d_in"] | None:
        """What is subtracted from the input before encoding, if anything."""
        return self.b_dec if self.config.centred else None

    def decoder_norms(self) -> Float[Tensor, "d_sae"]:
        """Return the norm of each feature's direction."""
        return self.norms_of_directions() if self._norms is None else self._norms

    def norms_of_directions(self) -> Float[Tensor, "d_sae"]:
        """Compute what `decoder_norms` returns."""
        return row_norms(self.W_dec)

    @contextmanager
    def norms_computed_once(self) -> Iterator[None]:
        """Let a loss ask for the decoder's norms as often as it likes; their gradient follows when the context ends."""
        norms = self.norms_of_directions()
        self._norms = norms.detach().requires_grad_()
        try:
            yield
            if self._norms.grad is not None:
                norms.backward(self._norms.grad)
        finally:
            self._norms = None

    def decoder_blocks(self) -> list[torch.nn.Parameter]:
        """Return the parameters whose rows are the features' directions, in the order of the features."""
        return [self.W_dec]

    @torch.no_grad()
    def divide_directions(self, divisors: Float[Tensor, "d_sae"]) -> None:
        """Divide every feature's direction by its own number."""
        blocks = self.decoder_blocks()
        for block, own in zip(blocks, divisors.split([len(block) for block in blocks]), strict=True):
            block.div_(own[:, None])

    @torch.no_grad()
    def fold_scales(self, input_scale: float, target_scale: float) -> None:
        """Make a dictionary trained on `input_scale * x` and `target_scale * y` take `x` and give `y`."""
        self.encoder.mul_(input_scale)
        self.divide_directions(torch.full_like(self.b_enc, target_scale))
        self.b_dec.div_(target_scale)
        if self.W_skip is not None:
            self.W_skip.mul_(input_scale / target_scale)

    def fold_layer_scales(self, input_scales: Sequence[float], target_scales: Sequence[float]) -> None:
        """Fold the scales of each of `n_scales` parts: of the whole, unless a kind keeps layers apart."""
        self.fold_scales(*input_scales, *target_scales)

    @torch.no_grad()
    def fold_decoder_norms(self) -> None:
        """Give every feature a unit direction and its norm to the encoder; what is computed stays the same."""
        norms = self.decoder_norms().clamp(min=1e-8)
        self.divide_directions(norms)
        self.encoder.mul_(norms[:, None])
        self.b_enc.mul_(norms)

    @abstractmethod
    def to_saelens(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """Return `architecture` with the config fields of SAELens's inference class, and its tensors."""

    @classmethod
    def options_of_saelens(cls, cfg: Mapping[str, Any]) -> dict[str, Any]:
        """Return the options of this kind that SAELens's `cfg.json` holds."""
        return {name: value for name, value in cfg.items() if name in cls.Config.model_fields}

    @torch.no_grad()
    def load_saelens(self, tensors: Mapping[str, Tensor]) -> None:
        """Take the parameters from SAELens's names and layout, in their dtype."""
        named = {**tensors, "encoder": tensors["W_enc"].T}
        for name, parameter in list(self.named_parameters()):
            if parameter.shape != named[name].shape:
                raise ValueError(f"{name} has shape {list(named[name].shape)}, not {list(parameter.shape)}")
            value = named[name].detach().clone(memory_format=torch.contiguous_format)
            setattr(self, name, torch.nn.Parameter(value))

    def saelens_tensors(self) -> dict[str, Tensor]:
        """Return the four tensors most kinds have, and the skip, as SAELens names and lays them out."""
        tensors = {"W_enc": self.W_enc, "b_enc": self.b_enc, "W_dec": self.W_dec, "b_dec": self.b_dec}
        if self.W_skip is not None:
            tensors["W_skip"] = self.W_skip
        return {name: value.detach().clone(memory_format=torch.contiguous_format) for name, value in tensors.items()}


def mean_squared_error(
    reconstruction: Float[Tensor, "batch d_out"], targets: Float[Tensor, "batch d_out"]
) -> Float[Tensor, ""]:
    """Return the squared distance to the target, summed over its width and averaged over the batch."""
    return (reconstruction - targets).square().sum(-1).mean()


def random_rows(n: int, width: int, norm: float | None, draw: torch.Generator) -> Float[Tensor, "n width"]:
    """Return uniformly drawn rows of the given norm (Kaiming's bound, where there is none)."""
    rows = torch.empty(n, width).uniform_(-1.0, 1.0, generator=draw) * math.sqrt(6.0 / width)
    return rows if norm is None else rows * (norm / rows.norm(dim=-1, keepdim=True))
