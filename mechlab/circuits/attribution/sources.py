"""Everything that adds to a frozen pass, each a column: features that are on, errors, tokens, positions, BOS.

Columns stand in this order: features by layer, position and number; errors by layer and position; tokens; positions
where they are learned; what the MLPs write at a leading BOS, by layer. What never varies is no column but the bias.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

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
class Reading:
    """What features that are on read of what their layer reads, in the order of their columns."""

    rows: Float[Tensor, "n d_model"]
    bias: Float[Tensor, "n"]


@dataclass(frozen=True, eq=False)
class Sources:
    """What adds to a frozen pass.

    Attributes:
        layer, position, feature, code: of every feature that is on.
        readings: what each layer's features read.
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
    readings: tuple[Reading, ...]
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
    weights, found = frozen.weights, [_active(frozen, layer) for layer in range(frozen.spec.n_layers)]
    position, feature, code = (
        torch.cat([getattr(one, name) for one in found]) for name in ("position", "feature", "code")
    )
    written = _written(found)
    rebuilt = torch.stack([_summed(one, frozen) for one in written])
    outputs = torch.stack([one.written for one in frozen.layers])
    biases = torch.stack([frozen.transcoders.bias(one) for one in range(len(outputs))])
    constants = biases[:, None].repeat(1, frozen.n_pos, 1)
    errors = outputs - rebuilt - constants - torch.stack([_skipped(frozen, one) for one in range(len(outputs))])
    if frozen.has_bos:
        errors[:, 0], constants[:, 0] = 0, 0
    return Sources(
        layer=torch.repeat_interleave(torch.tensor([len(one.code) for one in found], device=code.device)),
        position=position,
        feature=feature,
        code=code,
        readings=tuple(one.reading for one in found),
        written=written,
        errors=errors,
        constants=constants,
        tokens=weights.W_E[frozen.tokens],
        positions=None if weights.W_pos is None else weights.W_pos[: frozen.n_pos],
        bos=outputs[:, 0] if frozen.has_bos else None,
    )


@dataclass(frozen=True, eq=False)
class _Active:
    """A layer's features that are on: where, which, how much, what they read and what they write to which layers."""

    position: Int[Tensor, "n"]
    feature: Int[Tensor, "n"]
    code: Float[Tensor, "n"]
    reading: Reading
    writes: dict[int, Float[Tensor, "n d_model"]]


def _active(frozen: FrozenPass, layer: int) -> _Active:
    """Return a layer's features that are on, but at a leading BOS; all that its weights are needed for, in one go."""
    transcoders = frozen.transcoders
    codes = transcoders.codes(layer, frozen.layers[layer].read)
    if frozen.has_bos:
        codes = codes.clone()
        codes[0] = 0
    position, feature = codes.nonzero(as_tuple=True)
    code, reading = codes[position, feature], Reading(*transcoders.readers(layer, feature))
    _refuse_what_is_not_linear(layer, feature, code, frozen.layers[layer].read[position], reading)
    writes = {}
    for target in transcoders.reach(layer):
        rows = transcoders.writers(layer, feature, target)
        assert rows is not None
        writes[target] = rows * code[:, None]
    return _Active(position, feature, code, reading, writes)


def _refuse_what_is_not_linear(layer: int, feature: Tensor, code: Tensor, read: Tensor, reading: Reading) -> None:
    given = (read * reading.rows).sum(-1) + reading.bias
    far = (given - code).abs() > SLACK * (1 + code.abs())
    if far.any():
        value = f"layer {layer}, feature {int(feature[far][0])}"
        remedy = "Take relu, jumprelu, topk or batchtopk transcoders."
        raise UsageError("code is not what the encoder gives", value=value, remedy=remedy)


def _written(found: Sequence[_Active]) -> tuple[Written, ...]:
    """Return what the features of all layers write to each layer's output, by position."""
    starts = list(accumulate((len(one.code) for one in found), initial=0))
    written = []
    for target in range(len(found)):
        own = [source for source, one in enumerate(found) if target in one.writes]
        columns = torch.cat(
            [starts[source] + torch.arange(len(found[source].code), device=found[0].code.device) for source in own]
        )
        positions, vectors = (
            torch.cat(part)
            for part in zip(*((found[one].position, found[one].writes[target]) for one in own), strict=True)
        )
        order = positions.argsort(stable=True)
        written.append(Written(columns[order], positions[order], vectors[order]))
    return tuple(written)


def _summed(written: Written, frozen: FrozenPass) -> Tensor:
    total = torch.zeros_like(frozen.final)
    return total.index_add_(0, written.positions, written.vectors)


def _skipped(frozen: FrozenPass, layer: int) -> Tensor:
    """Return what the skip of a layer's transcoder adds."""
    skip = frozen.transcoders.skip(layer)
    return torch.zeros_like(frozen.final) if skip is None else frozen.layers[layer].read @ skip.T
