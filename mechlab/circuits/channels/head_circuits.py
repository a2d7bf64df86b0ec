"""The circuits of a model's heads: what each moves (OV) and what makes it look where (QK), decomposed.

1. Weights are those of a processed copy: norms are folded into what reads them, writes are centred under LayerNorm.
2. A head's OV circuit is `W_V W_O`; its QK circuit is `W_Q M W_K^T`, where M turns keys that stand some tokens back
   (the identity without rotary positions).
3. Heads that share keys and values (grouped queries) are listed each with its own queries.
4. With biases, keys are also read along what the queries' bias looks for: a query input that is always 1.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from mechlab.circuits.channels.thin_svd import ThinSVD, thin_svd
from mechlab.core.errors import UsageError
from mechlab.models.language_model import LanguageModel
from mechlab.models.processing import processed
from mechlab.models.rotation import rotation
from mechlab.models.sites import Mode
from mechlab.models.weights import LayerWeights


@dataclass(frozen=True, eq=False)
class Readers:
    """What every head reads in one mode: along `directions` (orthonormal columns), each `strengths` times."""

    directions: Float[Tensor, "n_layers n_heads d_model k"]
    strengths: Float[Tensor, "n_layers n_heads k"]


@dataclass(frozen=True, eq=False)
class HeadCircuits:
    """The decomposed circuits of all heads of a model, in float64.

    Attributes:
        ov: from what a head reads as value to what it writes.
        qk: from the query's side (`read`) to the key's (`write`).
        keys: what is read of keys, if that is more than `qk` says (biases); None otherwise.
        d_stream: how many dimensions writes can have: one less than the stream's where they are centred.
    """

    ov: ThinSVD
    qk: ThinSVD
    keys: Readers | None
    d_stream: int

    @property
    def n_layers(self) -> int:
        """Return how many layers there are."""
        return self.ov.values.shape[0]

    @property
    def n_heads(self) -> int:
        """Return how many heads a layer has."""
        return self.ov.values.shape[1]

    def readers(self, mode: Mode) -> Readers:
        """Return what every head reads as query, key or value."""
        if mode == "k":
            return self.keys or Readers(self.qk.write, self.qk.values)
        side = self.qk if mode == "q" else self.ov
        return Readers(side.read, side.values)


def head_circuits(model: LanguageModel, *, offset: int = 0, biases: bool = False) -> HeadCircuits:
    """Return the circuits of every head.

    Args:
        model: whose; it is processed on a copy unless it is already.
        offset: how many tokens a key stands before the query, where positions are rotations.
        biases: let the side that reads keys count what the queries' biases look for.

    Raises:
        UsageError: norms are not folded and cannot be, or the offset is outside the context.

    Source: Elhage et al. 2021, "A Mathematical Framework for Transformer Circuits" (OV and QK circuits); Merullo,
    Eickhoff & Pavlick 2024, "Talking Heads" (arXiv 2406.09519; their components). Grouped queries, rotations, biases,
    and the gains of norms behind attention and on queries and keys are ours.
    """
    folded = _folded(model)
    weights, turn = folded.weights(), rotation(folded, offset)
    heads = [_head_matrices(layer, turn) for layer in weights.layers]
    query, key, value, out, biased = (torch.stack(parts) for parts in zip(*heads, strict=True))
    seen = thin_svd(biased, key.mT) if biases else None
    return HeadCircuits(
        ov=thin_svd(value, out),
        qk=thin_svd(query, key.mT),
        keys=None if seen is None else Readers(seen.write, seen.values),
        d_stream=folded.spec.d_model - ("center_writing" in folded.processing),
    )


def _head_matrices(layer: LayerWeights, turn: Tensor | None) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Return queries, keys, values, outputs of a layer's heads, and the queries with their bias as one more input."""
    query, key, value, out = (part.double() for part in (layer.W_Q, layer.W_K, layer.W_V, layer.W_O))
    biased = torch.cat([query, layer.b_Q.double()[:, None]], 1)
    if layer.q_norm_w is not None:
        biased = biased * layer.q_norm_w
    if layer.k_norm_w is not None:
        key = key * layer.k_norm_w
    if turn is not None:
        biased = biased @ turn
    if layer.ln1_post_w is not None:
        out = out * layer.ln1_post_w
    return biased[:, :-1], key, value, out, biased


def _folded(model: LanguageModel) -> LanguageModel:
    """Return the model with its norms folded into what reads them."""
    own = model if model.processing else processed(model)
    if "fold_norm" not in own.processing:
        remedy = "Pass the model as it was trained, or processed with fold_norm."
        raise UsageError("norms are not folded into the heads' weights", value=model.name, remedy=remedy)
    return own
