"""The parts of a model that directions are handed back through, its weights looked up once."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from mechlab.circuits.observables.mlp_slopes import ReadMlp
from mechlab.circuits.observables.reading_norms import ReadingNorm
from mechlab.core.errors import UsageError
from mechlab.models.language_model import LanguageModel
from mechlab.models.nonlinearity import nonlinearity
from mechlab.models.norm_eps import norm_eps
from mechlab.models.spec import ModelSpec
from mechlab.models.weights import Weights


@dataclass(frozen=True, eq=False)
class Parts:
    """A model's weights, what its norms add to the variance, and its nonlinearity."""

    spec: ModelSpec
    weights: Weights
    eps: float
    function: Callable[[Tensor], Tensor]

    def norm(self, name: str) -> ReadingNorm:
        """Return a norm of the residual stream: `ln1.L` in front of heads, `ln2.L` of an MLP, `ln_final`."""
        kind, _, layer = name.partition(".")
        if kind == "ln_final":
            gain, bias = self.weights.ln_final_w, self.weights.ln_final_b
        else:
            own = self.weights.layers[int(layer)]
            gain, bias = (own.ln1_w, own.ln1_b) if kind == "ln1" else (own.ln2_w, own.ln2_b)
        return ReadingNorm(name, gain, bias, self.eps, self.spec.normalization == "LN")

    def mlp(self, layer: int) -> ReadMlp:
        """Return the MLP of a layer.

        Raises:
            UsageError: the model has no MLPs, or no such layer.
        """
        if not 0 <= layer < self.spec.n_layers:
            raise UsageError("no such layer", value=layer, remedy=f"Layers are 0..{self.spec.n_layers - 1}.")
        if self.spec.d_mlp == 0:
            raise UsageError("this model has no MLPs", value=self.spec.architecture, remedy="Take a path of heads.")
        return ReadMlp(self.weights.layers[layer], self.function)


def parts_of(model: LanguageModel) -> Parts:
    """Return the parts of a model.

    Raises:
        UsageError: the model is not Hugging Face's, or what its parts write is normalized again.
        UnknownName: its nonlinearity is unknown.
    """
    if model.spec.post_norms:
        remedy = "Observables are handed back through models without norms behind attention and MLPs."
        raise UsageError("parts of this model write through a norm", value=model.name, remedy=remedy)
    return Parts(model.spec, model.weights(), norm_eps(model), nonlinearity(model.spec))
