"""Transcoders stand in for every MLP of a forward pass; each encodes what the pass itself has there.

1. When the pass reaches an MLP, that layer's features are encoded from what is there now, and may be changed.
2. What they write to this and to later MLPs' outputs is added up, with the bias, the skip and errors that are held.
3. The sum takes the MLP output's place; later layers read what follows from it.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mechlab.core.shapes import Tokens
from mechlab.interventions.replace import replace
from mechlab.interventions.transcoder_set import TranscoderSet
from mechlab.models.language_model import LanguageModel

Codes = Float[Tensor, "batch pos n_features"]
Change = Callable[[int, Codes], Codes]
Errors = Float[Tensor, "n_layers #batch pos d_model"]


@contextmanager
def stand_in(
    model: LanguageModel,
    transcoders: TranscoderSet,
    *,
    change: Change | None = None,
    errors: Errors | None = None,
    untouched: Bool[Tensor, "batch pos"] | None = None,
) -> Iterator[None]:
    """Open a context in which every forward pass has the transcoders' output for the output of every MLP.

    Args:
        model: the model to edit.
        transcoders: of all its layers.
        change: from a layer and its codes to the codes it has instead.
        errors: what is added to each layer's output, for passes over these very tokens; None adds nothing.
        untouched: tokens (a leading BOS, say) whose MLP outputs stay; then every pass must be over this very batch.

    Source: Ameisen et al. 2025, "Circuit Tracing: Revealing Computational Graphs in Language Models" (the replacement
    model; with errors, and attention held, the local one).
    """
    outputs = Outputs(transcoders, change)
    with ExitStack() as opened:
        read = opened.enter_context(model.read(*(transcoders.site(layer) for layer in range(transcoders.n_layers))))

        def standing_in(layer: int) -> Callable[[Tensor], Tensor]:
            def output(activation: Tensor) -> Tensor:
                made = outputs.of(layer, read[transcoders.site(layer)])
                return made if errors is None else made + errors[layer]

            return output

        for layer in range(transcoders.n_layers):
            opened.enter_context(replace(model, f"mlp_out.{layer}", standing_in(layer), untouched=untouched))
        yield


@torch.no_grad()
def errors_left(
    model: LanguageModel, transcoders: TranscoderSet, tokens: Tokens
) -> Float[Tensor, "n_layers batch pos d_model"]:
    """Return what the transcoders leave of every MLP's output in the model's own pass."""
    layers = range(transcoders.n_layers)
    sites = [site for layer in layers for site in (transcoders.site(layer), f"mlp_out.{layer}")]
    seen = model.activations(tokens, sites)
    outputs = Outputs(transcoders)
    return torch.stack([seen[f"mlp_out.{one}"] - outputs.of(one, seen[transcoders.site(one)]) for one in layers])


class Outputs:
    """What transcoders make of what each MLP reads, layer by layer, the first one first."""

    def __init__(self, transcoders: TranscoderSet, change: Change | None = None) -> None:
        self._transcoders, self._change = transcoders, change
        self._written: Mapping[int, Tensor] = {}

    def of(self, layer: int, x: Float[Tensor, "batch pos d_model"]) -> Float[Tensor, "batch pos d_model"]:
        """Return a layer's output; those of all earlier layers were asked for before, in this very pass."""
        own = self._transcoders
        x = x.to(own.bias(layer))
        codes = own.codes(layer, x)
        changed = codes if self._change is None else self._change(layer, codes)
        earlier = {source: parts for source, parts in self._written.items() if source < layer}
        self._written = {**earlier, layer: own.written_by(layer, changed)}
        total = own.bias(layer).expand_as(x)
        for source, parts in self._written.items():
            if layer - source < parts.shape[-2]:
                total = total + parts[..., layer - source, :]
        skip = own.skip(layer)
        return total if skip is None else total + x @ skip.T
