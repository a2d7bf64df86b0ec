"""Everything that adds to a frozen pass, each a column: features that are on, errors, tokens, positions, BOS.

Columns stand in this order: features by layer, position and number; errors by layer and position; tokens; positions
where they are learned; what the MLPs write at a leading BOS, by layer. What never varies is no column but the bias.
"""

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mechlab.circuits.attribution.frozen_pass import FrozenPass
from mechlab.core.errors import UsageError

SLACK = 1e-3


@dataclass(frozen=True, eq=False)
class Written:
    """What features add to one layer's MLP output: their columns, where, and how much; sorted by position."""

    columns: Int[Tensor, "n"]
    positions: Int[Tensor, "n"]
    vectors: Float[Tensor, "n d_model"]


@dataclass(frozen=True, eq=False)
class Sources:
    """What adds to a frozen pass.

    Attributes:
        layer, position, feature, code: of every feature that is on.
        written: what features add to each layer's MLP output.
        errors: what the transcoders leave of each MLP's output; zero at a leading BOS.
        constants: what the transcoders add by themselves; zero at a leading BOS.
        tokens: the tokens' embeddings.
        positions: the positions', where they are learned.
        bos: what each MLP wrote at a leading BOS, if there is one.
    """

    layer: Int[Tensor, "n_features"]
    position: Int[Tensor, "n_features"]
    feature: Int[Tensor, "n_features"]
    code: Float[Tensor, "n_features"]
    written: tuple[Written, ...]
    errors: Float[Tensor, "n_layers pos d_model"]
    constants: Float[Tensor, "n_layers pos d_model"]
    tokens: Float[Tensor, "pos d_model"]
    positions: Float[Tensor, "pos d_model"] | None
    bos: Float[Tensor, "n_layers d_model"] | None

    @cached_property
    def starts(self) -> dict[str, int]:
        """Return the first column of each kind, and under `end` the number of all."""
        n_layers, n_pos, _ = self.errors.shape
        sizes = {
            "features": len(self.code),
            "errors": n_layers * n_pos,
            "tokens": n_pos,
            "positions": 0 if self.positions is None else n_pos,
            "bos": 0 if self.bos is None else n_layers,
        }
        starts, total = {}, 0
        for kind, size in sizes.items():
            starts[kind], total = total, total + size
        return {**starts, "end": total}

    @property
    def n_columns(self) -> int:
        """Number of all sources."""
        return self.starts["end"]


@torch.no_grad()
def sources_of(frozen: FrozenPass) -> Sources:
    """Return all that adds to a frozen pass.

    Raises:
        UsageError: a feature's code is not what its encoder gives (gated kinds): attribution would not be exact.
    """
    weights = frozen.weights
    layer, position, feature, code = _active(frozen)
    written = tuple(_written(frozen, target, layer, position, feature, code) for target in range(frozen.spec.n_layers))
    rebuilt = torch.stack([_summed(one, frozen) for one in written])
    outputs = torch.stack([one.written for one in frozen.layers])
    biases = torch.stack([frozen.transcoders.bias(one) for one in range(len(outputs))])
    constants = biases[:, None].repeat(1, frozen.n_pos, 1)
    errors = outputs - rebuilt - constants - torch.stack([_skipped(frozen, one) for one in range(len(outputs))])
    if frozen.has_bos:
        errors[:, 0], constants[:, 0] = 0, 0
    return Sources(
        layer=layer,
        position=position,
        feature=feature,
        code=code,
        written=written,
        errors=errors,
        constants=constants,
        tokens=weights.W_E[frozen.tokens],
        positions=None if weights.W_pos is None else weights.W_pos[: frozen.n_pos],
        bos=outputs[:, 0] if frozen.has_bos else None,
    )


def _active(frozen: FrozenPass) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return layer, position, number and code of every feature that is on, but at a leading BOS."""
    found = []
    for layer, one in enumerate(frozen.layers):
        codes = frozen.transcoders.codes(layer, one.read)
        if frozen.has_bos:
            codes = codes.clone()
            codes[0] = 0
        positions, features = codes.nonzero(as_tuple=True)
        values = codes[positions, features]
        _refuse_what_is_not_linear(frozen, layer, positions, features, values)
        found.append((torch.full_like(positions, layer), positions, features, values))
    layers, positions, features, values = (torch.cat(part) for part in zip(*found, strict=True))
    return layers, positions, features, values


def _refuse_what_is_not_linear(
    frozen: FrozenPass, layer: int, positions: Tensor, features: Tensor, values: Tensor
) -> None:
    rows, biases = frozen.transcoders.readers(layer, features)
    given = (frozen.layers[layer].read[positions] * rows).sum(-1) + biases
    far = (given - values).abs() > SLACK * (1 + values.abs())
    if far.any():
        value = f"layer {layer}, feature {int(features[far][0])}"
        remedy = "Take relu, jumprelu, topk or batchtopk transcoders."
        raise UsageError("code is not what the encoder gives", value=value, remedy=remedy)


def _written(
    frozen: FrozenPass, target: int, layer: Tensor, position: Tensor, feature: Tensor, code: Tensor
) -> Written:
    columns, vectors = [], []
    for source in range(target + 1):
        own = (layer == source).nonzero().squeeze(1)
        rows = frozen.transcoders.writers(source, feature[own], target)
        if rows is not None:
            columns.append(own)
            vectors.append(rows * code[own, None])
    all_columns, all_vectors = torch.cat(columns), torch.cat(vectors)
    order = position[all_columns].argsort(stable=True)
    return Written(all_columns[order], position[all_columns[order]], all_vectors[order])


def _summed(written: Written, frozen: FrozenPass) -> Tensor:
    total = torch.zeros_like(frozen.final)
    return total.index_add_(0, written.positions, written.vectors)


def _skipped(frozen: FrozenPass, layer: int) -> Tensor:
    """Return what the skip of a layer's transcoder adds."""
    skip = frozen.transcoders.skip(layer)
    return torch.zeros_like(frozen.final) if skip is None else frozen.layers[layer].read @ skip.T
