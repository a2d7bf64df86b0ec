"""An observable: a weighted sum of logits, such as the logit of " she" less that of " he".

It is a frozen value that can be written down: a name, some tokens, and a weight for each. It is an `Outcome`, too, so
that patching and effects can be asked about it.
"""

import math
from collections.abc import Mapping

import torch
from jaxtyping import Float, Float64
from pydantic import NonNegativeInt, model_validator
from torch import Tensor

from mechlab.core.config import Config
from mechlab.core.errors import UsageError
from mechlab.corpora.tasks.pairs import PromptPairs
from mechlab.models.weights import Weights


class Observable(Config):
    """A weighted sum of logits.

    Attributes:
        name: what it is called in tables and graphs.
        tokens: the logits it counts, each once.
        weights: how much each counts.
    """

    name: str
    tokens: tuple[NonNegativeInt, ...]
    weights: tuple[float, ...]

    @model_validator(mode="after")
    def _fits(self) -> "Observable":
        if len(self.tokens) != len(self.weights):
            raise ValueError("give as many weights as tokens")
        if len(set(self.tokens)) < len(self.tokens):
            raise ValueError("give every token once, with its whole weight")
        if not any(self.weights):
            raise ValueError("give at least one token a weight that is not zero")
        return self

    @property
    def sites(self) -> tuple[str, ...]:
        """Return what has to be read beside the logits: nothing."""
        return ()

    def vector(self, d_vocab: int) -> Float64[Tensor, "d_vocab"]:
        """Return the weight of every logit.

        Raises:
            UsageError: a token is not in the vocabulary.
        """
        self._refuse_outside(d_vocab)
        found = torch.zeros(d_vocab, dtype=torch.float64)
        found[list(self.tokens)] = torch.tensor(self.weights, dtype=torch.float64)
        return found

    def value(self, logits: Float[Tensor, "*lead d_vocab"]) -> Float[Tensor, "*lead"]:
        """Return the sum, in nats; of capped logits it is a sum of capped logits, which directions know nothing of."""
        self._refuse_outside(logits.shape[-1])
        return logits[..., list(self.tokens)] @ torch.tensor(self.weights, dtype=logits.dtype, device=logits.device)

    def of(
        self, logits: Float[Tensor, "n d_vocab"], read: Mapping[str, Tensor], pairs: PromptPairs
    ) -> Float[Tensor, "n"]:
        """Return the sum for each prompt, from the logits at its last position."""
        return self.value(logits)

    def direction(self, weights: Weights) -> Float[Tensor, "d_model"]:
        """Return what it reads of the last norm's output, `W_U n`: before a soft cap on logits, where there is one."""
        self._refuse_outside(weights.W_U.shape[1])
        columns = weights.W_U[:, list(self.tokens)]
        columns = columns.to(torch.promote_types(columns.dtype, torch.float32))
        return columns @ torch.tensor(self.weights, dtype=columns.dtype, device=columns.device)

    def bias(self, weights: Weights) -> float:
        """Return what the unembedding's bias adds to it whatever the prompt."""
        return float(self.value(weights.b_U.double()))

    def _refuse_outside(self, d_vocab: int) -> None:
        if max(self.tokens) >= d_vocab:
            raise UsageError("no such token", value=max(self.tokens), remedy=f"Tokens are 0..{d_vocab - 1}.")

    def scaled(self, factor: float, name: str = "") -> "Observable":
        """Return it times a number.

        Raises:
            UsageError: the number is zero or not finite.
        """
        if not math.isfinite(factor) or factor == 0:
            raise UsageError("observable cannot be multiplied by this", value=factor, remedy="Take a finite number.")
        return Observable(
            name=name or f"{factor:g} {self.name}",
            tokens=self.tokens,
            weights=tuple(factor * weight for weight in self.weights),
        )


def less(one: Observable, other: Observable, name: str = "") -> Observable:
    """Return the difference of two observables.

    Raises:
        UsageError: nothing is left.
    """
    total: dict[int, float] = dict(zip(one.tokens, one.weights, strict=True))
    for token, weight in zip(other.tokens, other.weights, strict=True):
        total[token] = total.get(token, 0.0) - weight
    return _of_weights(name or f"{one.name} - {other.name}", total)


def from_vector(name: str, vector: Float[Tensor, "d_vocab"]) -> Observable:
    """Return the observable that weighs every logit by an entry of a vector; zeros are left out.

    Raises:
        UsageError: an entry is not finite, or all are zero.
    """
    if not bool(vector.isfinite().all()):
        raise UsageError("weights of an observable are not finite", value=name, remedy="Give every logit a number.")
    return _of_weights(name, dict(enumerate(vector.double().tolist())))


def values_at(
    weights: Weights, observable: Observable, final: Float[Tensor, "*lead d_model"]
) -> Float64[Tensor, "*lead"]:
    """Return the observable, in nats and before any soft cap, from what the unembedding reads (`unembed_in`)."""
    return final.double() @ observable.direction(weights).double() + observable.bias(weights)


def _of_weights(name: str, weights: Mapping[int, float]) -> Observable:
    kept = {token: weight for token, weight in weights.items() if weight != 0}
    if not kept:
        raise UsageError("observable counts no logit", value=name, remedy="Give at least one token a weight.")
    return Observable(name=name, tokens=tuple(kept), weights=tuple(kept.values()))
