"""What is attributed: vectors that read the stream at one place and position, and what they read in the pass.

A feature's is its encoder's row as seen through the norm before it, divided as in the pass; a logit's its column of the
unembedding, less the mean of all columns, through the last norm. Directions of the stream itself are in
`stream_targets`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mechlab.circuits.attribution.frozen_pass import FrozenPass
from mechlab.circuits.attribution.sources import Reading, Sources
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
        before_heads: they read what the layer's heads read, not what its MLP does.
        through_norm: a norm comes between them and the stream, whose divisor `vectors` have in them.
    """

    layer: int
    vectors: Float[Tensor, "n d_model"]
    positions: Int[Tensor, "n"]
    bias: Float[Tensor, "n"]
    values: Float[Tensor, "n"]
    before_heads: bool = False
    through_norm: bool = True

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.positions)

    def chosen(self, rows: Int[Tensor, "n_chosen"]) -> "Targets":
        """Return some of the targets."""
        parts = (one[rows] for one in (self.vectors, self.positions, self.bias, self.values))
        return Targets(self.layer, *parts, before_heads=self.before_heads, through_norm=self.through_norm)


def feature_targets(frozen: FrozenPass, sources: Sources, layer: int) -> Targets:
    """Return all features of a layer that are on, in the order of their columns."""
    return _features(frozen, layer, sources.readings[layer], sources.position[sources.layer == layer])


def chosen_targets(frozen: FrozenPass, layer: int, chosen: Sequence[tuple[int, int]]) -> Targets:
    """Return features of a layer, each at a position, whether on there or off: what they are before their nonlinearity.

    Args:
        frozen: the pass.
        layer: the layer.
        chosen: number and position of each, positions counted from the end if negative.

    Raises:
        UsageError: there is no such layer, feature or position.
    """
    if not 0 <= layer < frozen.spec.n_layers:
        raise UsageError("no such layer", value=layer, remedy=f"Layers are 0..{frozen.spec.n_layers - 1}.")
    n_features = frozen.transcoders.n_features(layer)
    for feature, _ in chosen:
        if not 0 <= feature < n_features:
            raise UsageError("no such feature", value=feature, remedy=f"Features are 0..{n_features - 1}.")
    places = [(feature, position_of(frozen, position)) for feature, position in chosen]
    features, positions = torch.tensor(places, dtype=torch.long, device=frozen.final.device).view(-1, 2).unbind(1)
    return _features(frozen, layer, Reading(*frozen.transcoders.readers(layer, features)), positions)


@torch.no_grad()
def _features(frozen: FrozenPass, layer: int, reading: Reading, positions: Tensor) -> Targets:
    rows, bias = reading.rows, reading.bias
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
    where = torch.tensor([position_of(frozen, one) for one in positions], device=frozen.final.device)
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
    return token_list_targets(frozen, [[token] for token in tokens], positions=positions)


def token_list_targets(
    frozen: FrozenPass,
    lists: Sequence[Sequence[int]],
    *,
    against: Sequence[int] = (),
    positions: Sequence[int] = (-1,),
) -> Targets:
    """Return the mean logit of each list of tokens, less that of the tokens it is held against, at each position.

    Raises:
        UsageError: there is no such token or position, or a list is empty.
    """
    weighted = frozen.final.new_zeros(len(lists), frozen.spec.d_vocab)
    for row, tokens in zip(weighted, lists, strict=True):
        if not tokens:
            raise UsageError("list of tokens is empty", value=0, remedy="Give at least one token.")
        for own, sign in ((tokens, 1), (against, -1)):
            for token in own:
                row[_token(frozen, token)] += sign / len(own)
    return direction_targets(frozen, weighted, positions)


def position_of(frozen: FrozenPass, position: int) -> int:
    """Return a position counted from the start.

    Raises:
        UsageError: the prompt has no such position.
    """
    if not -frozen.n_pos <= position < frozen.n_pos:
        raise UsageError("no such position", value=position, remedy=f"Positions are 0..{frozen.n_pos - 1}.")
    return position % frozen.n_pos


def _token(frozen: FrozenPass, token: int) -> int:
    d_vocab = frozen.spec.d_vocab
    if not 0 <= token < d_vocab:
        raise UsageError("no such token", value=token, remedy=f"Tokens are 0..{d_vocab - 1}.")
    return token
