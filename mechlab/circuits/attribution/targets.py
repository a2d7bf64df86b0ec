"""What is attributed: vectors that read the stream at one place and position, and what they read in the pass.

A feature's is its encoder's row as seen through the norm before it, divided as in the pass; a logit's its column of the
unembedding, less the mean of all columns, through the last norm.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mechlab.circuits.attribution.frozen_pass import FrozenPass
from mechlab.circuits.attribution.sources import Sources
from mechlab.core.errors import UsageError


@dataclass(frozen=True, eq=False)
class Targets:
    """Targets that read the stream at one place.

    Attributes:
        layer: before which layer's MLP they read; the number of layers for the end of the stream.
        vectors: what each reads along.
        positions: where each reads.
        bias: what each is beyond what it reads.
        values: what each was in the pass: pre-activations of features, logits less their mean over the vocabulary.
    """

    layer: int
    vectors: Float[Tensor, "n d_model"]
    positions: Int[Tensor, "n"]
    bias: Float[Tensor, "n"]
    values: Float[Tensor, "n"]

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.positions)

    def chosen(self, rows: Int[Tensor, "n_chosen"]) -> "Targets":
        """Return some of the targets."""
        return Targets(self.layer, self.vectors[rows], self.positions[rows], self.bias[rows], self.values[rows])


@torch.no_grad()
def feature_targets(frozen: FrozenPass, sources: Sources, layer: int) -> Targets:
    """Return all features of a layer that are on, in the order of their columns."""
    own = sources.layer == layer
    positions, features = sources.position[own], sources.feature[own]
    rows, bias = frozen.transcoders.readers(layer, features)
    divisor = frozen.layers[layer].read_divisor
    vectors = rows if divisor is None else frozen.centred(rows) / divisor[positions]
    values = (rows * frozen.layers[layer].read[positions]).sum(-1) + bias
    return Targets(layer, vectors, positions, bias, values)


@torch.no_grad()
def direction_targets(
    frozen: FrozenPass, directions: Float[Tensor, "n d_vocab"], positions: Sequence[int] = (-1,)
) -> Targets:
    """Return weighted sums of logits, each at each position: one logit, a difference of two, the mean of some.

    Logits are less their mean over the vocabulary, and before a soft cap.

    Args:
        frozen: the pass.
        directions: the weight of every logit.
        positions: where, counted from the end if negative.

    Raises:
        UsageError: there is no such position.
    """
    weights = frozen.weights
    where = torch.tensor([_position(frozen, one) for one in positions], device=frozen.final.device)
    weighted = directions.to(weights.W_U)
    weighted = weighted - weighted.mean(-1, keepdim=True)
    read = weighted @ weights.W_U.T
    along = frozen.centred(read * weights.ln_final_w)
    vectors = (along[:, None] / frozen.ln_final[where]).flatten(0, 1)
    bias = (read @ weights.ln_final_b + weighted @ weights.b_U)[:, None].expand(-1, len(where)).flatten()
    read_there = ((frozen.final[where] * weights.ln_final_w)[None] * read[:, None]).sum(-1).flatten()
    return Targets(frozen.spec.n_layers, vectors, where.repeat(len(directions)), bias, read_there + bias)


def logit_targets(frozen: FrozenPass, tokens: Sequence[int], positions: Sequence[int] = (-1,)) -> Targets:
    """Return the logits of these tokens, each at each position.

    Raises:
        UsageError: there is no such token or position.
    """
    d_vocab = frozen.spec.d_vocab
    for token in tokens:
        if not 0 <= token < d_vocab:
            raise UsageError("no such token", value=token, remedy=f"Tokens are 0..{d_vocab - 1}.")
    eye = torch.zeros(len(tokens), d_vocab, dtype=frozen.final.dtype, device=frozen.final.device)
    eye[range(len(tokens)), list(tokens)] = 1
    return direction_targets(frozen, eye, positions)


def _position(frozen: FrozenPass, position: int) -> int:
    if not -frozen.n_pos <= position < frozen.n_pos:
        raise UsageError("no such position", value=position, remedy=f"Positions are 0..{frozen.n_pos - 1}.")
    return position % frozen.n_pos
