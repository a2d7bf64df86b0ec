"""OV patching: what a head is worth when its values come from another prompt, and it still looks where it did.

1. Both prompts are read once. A head's values are those of the other prompt, its pattern that of the run.
2. `frozen`: how far what it then writes at the last position differs, along the observable's direction in front of the
   last norm, whose divisor stays as it is in the run. `real`: the observable itself, through the true last norm. Both
   are straight: nothing between the head and the logits sees it. All heads come from the two passes.
3. `recomputed`: all later layers see it, at every position. Heads are patched together in a pass, one after another
   along the batch.

Source: Observable Propagation (arXiv 2312.16291; ICML 2024), path patching of OV inputs, `y . (x_clean - x_patched)`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from mechlab.circuits.observables.observable import Observable, values_at
from mechlab.circuits.observables.parts import Parts, parts_of
from mechlab.circuits.observables.value_paths import mixed, values_of
from mechlab.circuits.patching.node_scores import NodeScores, nodes_to_patch
from mechlab.circuits.patching.settings import DEFAULT, PatchSettings, runs
from mechlab.corpora.tasks.pairs import PromptPairs
from mechlab.models.language_model import Edit, LanguageModel
from mechlab.models.sites import Head, Site

Mixed = Float[Tensor, "n pos n_heads d_head"]


@dataclass(frozen=True, eq=False)
class OvScores:
    """What heads are worth by their values alone, in nats, positive where they support the clean prompt's observable.

    Attributes:
        frozen: straight, along the last norm's divisor held still.
        real: straight, through the true last norm.
        recomputed: with all later layers computed again; None where that was not asked for.
    """

    frozen: NodeScores
    real: NodeScores
    recomputed: NodeScores | None


@torch.no_grad()
def ov_patching(
    model: LanguageModel,
    batches: Sequence[PromptPairs],
    observable: Observable,
    settings: PatchSettings = DEFAULT,
    *,
    recomputed: bool = False,
) -> OvScores:
    """Return the score of every head's values, for the observable at the last position of every prompt.

    Args:
        model: who is asked.
        batches: the prompts; only their tokens count.
        observable: what heads are worth something for.
        settings: direction and rows at once.
        recomputed: also let later layers see what heads then write, in as many passes as heads fit into.

    Raises:
        UsageError: there is no prompt, the model is not Hugging Face's, or its parts write through norms.

    Source: Observable Propagation (arXiv 2312.16291), path patching of OV inputs.
    """
    parts, nodes, found = parts_of(model), nodes_to_patch(model.spec, ("head",)), list[list[Tensor]]()
    for pairs in runs(batches, settings):
        run = _Run(model, parts, observable, pairs)
        scores = [*run.straight(), *([run.recomputed(settings.rows_at_once)] if recomputed else [])]
        found.append([settings.sign * one.flatten(1).cpu() for one in scores])
    values = [torch.cat(one) for one in zip(*found, strict=True)]
    kinds = ("ov frozen", "ov real", "ov recomputed")
    told = [NodeScores(nodes, own, observable.name, kind) for kind, own in zip(kinds, values, strict=False)]
    return OvScores(told[0], told[1], told[2] if recomputed else None)


class _Run:
    """A batch of runs, and what heads make of the other prompts' values in them."""

    def __init__(self, model: LanguageModel, parts: Parts, observable: Observable, pairs: PromptPairs) -> None:
        self._model, self._parts, self._observable = model, parts, observable
        self._tokens, layers = pairs.clean.to(model.device), range(parts.spec.n_layers)
        values, patterns = ([f"{kind}.{layer}" for layer in layers] for kind in ("v", "pattern"))
        end = f"resid_post.{parts.spec.n_layers - 1}"
        seen = model.activations(self._tokens, [*patterns, *values, end])
        # Patterns are asked for here, too, so that equal tokens go through the same arithmetic in both passes.
        other = model.activations(pairs.corrupted.to(model.device), [*patterns, *values])
        gaps = [values_of(other[name] - seen[name], parts.spec.n_heads) for name in values]
        self._changes = [mixed(gap, seen[name]) for gap, name in zip(gaps, patterns, strict=True)]
        self._final = seen[end][:, -1].double()

    def straight(self) -> tuple[Float64[Tensor, "n n_layers n_heads"], Float64[Tensor, "n n_layers n_heads"]]:
        """Return how far the observable changes along the frozen last norm, and through the true one."""
        norm, weights = self._parts.norm("ln_final"), self._parts.weights
        read = self._observable.direction(weights).double().expand(len(self._final), -1)
        along, before = norm.pulled(read, self._final, "frozen"), self._value(self._final)
        frozen, real = list[Tensor](), list[Tensor]()
        for mix, layer in zip(self._changes, weights.layers, strict=True):
            change = torch.einsum("nhe,hed->nhd", mix[:, -1].double(), layer.W_O.double())
            frozen.append(torch.einsum("nhd,nd->nh", change, along))
            real.append(self._value(self._final[:, None] + change) - before[:, None])
        return torch.stack(frozen, 1), torch.stack(real, 1)

    def recomputed(self, rows_at_once: int) -> Float64[Tensor, "n n_layers n_heads"]:
        """Return how far the observable changes when later layers see each head patched."""
        spec, n = self._parts.spec, len(self._tokens)
        heads = [(layer, head) for layer in range(spec.n_layers) for head in range(spec.n_heads)]
        before, after = self._values_of_passes(1), list[Tensor]()
        for together in _some(heads, max(1, rows_at_once // n)):
            with self._model.edit(self._edits(together)):
                after.append(self._values_of_passes(len(together)))
        return (torch.cat(after) - before).T.unflatten(1, (spec.n_layers, spec.n_heads))

    def _values_of_passes(self, n_copies: int) -> Float64[Tensor, "n_copies n"]:
        seen = self._model.activations(self._tokens.repeat(n_copies, 1), ["unembed_in"])
        return self._read(seen["unembed_in"][:, -1]).unflatten(0, (n_copies, -1))

    def _edits(self, heads: Sequence[Head]) -> dict[str | Site, Edit]:
        """Return the edits of a pass over one copy of the batch for each head."""
        by_layer: dict[int, dict[int, int]] = {}
        for copy, (layer, head) in enumerate(heads):
            by_layer.setdefault(layer, {})[copy] = head
        return {f"z.{layer}": self._edit(len(heads), layer, own) for layer, own in by_layer.items()}

    def _edit(self, n_copies: int, layer: int, heads: Mapping[int, int]) -> Edit:
        def edit(z: Mixed) -> Mixed:
            copies = z.unflatten(0, (n_copies, -1))
            for copy, head in heads.items():
                copies[copy, :, :, head] += self._changes[layer][:, :, head].to(z)
            return z

        return edit

    def _value(self, stream: Float64[Tensor, "*lead d_model"]) -> Float64[Tensor, "*lead"]:
        return self._read(self._parts.norm("ln_final")(stream))

    def _read(self, final: Float[Tensor, "*lead d_model"]) -> Float64[Tensor, "*lead"]:
        return values_at(self._parts.weights, self._observable, final)


def _some(heads: Sequence[Head], n: int) -> Iterator[Sequence[Head]]:
    for first in range(0, len(heads), n):
        yield heads[first : first + n]
