"""An MLP as a function of what it reads, and its slope: what a direction of its output reads of its input.

1. A direction y of the output weighs neurons by `W_out y`.
2. Each weight is multiplied by the nonlinearity's slope at the point; a gated neuron has a slope in its gate and one in
   its linear part.
3. Their sums over the input matrices are the gradient of `y . MLP(x)`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from mechlab.models.weights import LayerWeights

Vectors = Float[Tensor, "*lead d_model"]


@dataclass(frozen=True, eq=False)
class ReadMlp:
    """The MLP of a layer."""

    weights: LayerWeights
    function: Callable[[Tensor], Tensor]

    def neurons(
        self, gates: Float[Tensor, "*lead d_mlp"], linear: Float[Tensor, "*lead d_mlp"] | None
    ) -> Float[Tensor, "*lead d_mlp"]:
        """Return what neurons are, from what goes through the nonlinearity and, with gates, from the linear part."""
        return self.function(gates) if linear is None else self.function(gates) * linear

    def before(self, read: Vectors) -> tuple[Tensor, Tensor | None]:
        """Return what goes through the nonlinearity, and the linear part where there are gates."""
        own = self.weights
        linear = read @ own.W_in.to(read) + own.b_in.to(read)
        return (linear, None) if own.W_gate is None else (read @ own.W_gate.to(read), linear)

    def __call__(self, read: Vectors) -> Vectors:
        """Return what the MLP writes, its bias included."""
        return self.neurons(*self.before(read)) @ self.weights.W_out.to(read) + self.weights.b_out.to(read)

    def pulled(self, direction: Vectors, read: Vectors) -> Vectors:
        """Return the gradient of `direction . MLP(read)` with respect to `read`, one for each pair of vectors."""
        own, (gates, linear) = self.weights, self.before(read)
        on_neurons = direction @ own.W_out.to(direction).T
        value, slope = self._with_slope(gates)
        if own.W_gate is None or linear is None:
            return (on_neurons * slope) @ own.W_in.to(direction).T
        in_gates = (on_neurons * slope * linear) @ own.W_gate.to(direction).T
        return in_gates + (on_neurons * value) @ own.W_in.to(direction).T

    def _with_slope(self, gates: Tensor) -> tuple[Tensor, Tensor]:
        with torch.enable_grad():
            own = gates.detach().clone().requires_grad_()
            value = self.function(own)
            slope = torch.autograd.grad(value.sum(), own)[0]
        return value.detach(), slope
