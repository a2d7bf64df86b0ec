"""Edits of transcoder features: in the model as it is, their codes are scaled, clamped or taken away.

1. When a pass reaches an MLP whose features are edited, they are encoded from what is there now.
2. What the new codes write more than the old is added to the MLP's output; a cross-layer feature's to later ones, too.
3. A cached generation sees new positions only, so each position is edited exactly once.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from mechlab.core.errors import UsageError
from mechlab.interventions.positions import places_in_pass
from mechlab.interventions.stand_in import Change
from mechlab.interventions.transcoder_set import TranscoderSet
from mechlab.models.language_model import LanguageModel


@dataclass(frozen=True)
class FeatureEdit:
    """A feature's code becomes `factor * code + constant`; as it stands, the feature is ablated.

    Attributes:
        layer: whose feature.
        feature: its number within the layer.
        factor: 0 forgets the code, 1 keeps it.
        constant: in the unit of the code; with factor 0 the code is clamped to it.
        positions: where in a row; None is everywhere.
    """

    layer: int
    feature: int
    factor: float = 0.0
    constant: float = 0.0
    positions: range | None = None


@contextmanager
def edit_features(model: LanguageModel, transcoders: TranscoderSet, edits: Sequence[FeatureEdit]) -> Iterator[None]:
    """Open a context in which features have other codes, in forward passes and while text is generated.

    All else goes on as it does in the model: the error that the transcoders leave stays as it was.

    Args:
        model: the model to edit.
        transcoders: whose features.
        edits: of one feature they are made in turn. None at all change nothing.

    Raises:
        UsageError: there is no such layer or feature, or a number is not finite.

    Source: Ameisen et al. 2025, "Circuit Tracing" (interventions on features); the clamp under generation is
    circuit-tracer's. Here the change of a code is what counts, so that an edit that changes no code changes nothing.
    """
    change = changed_codes(model, transcoders, edits)
    layers = sorted({edit.layer for edit in edits})
    written: dict[int, Tensor] = {}
    with ExitStack() as opened:
        read = opened.enter_context(model.read(*(transcoders.site(layer) for layer in layers)))

        def adding(target: int) -> Callable[[Tensor], Tensor]:
            def add(activation: Tensor) -> Tensor:
                if target in layers:
                    codes = transcoders.codes(target, read[transcoders.site(target)].to(transcoders.bias(target)))
                    more = change(target, codes) - codes
                    written[target] = transcoders.written_by(target, more)
                for source in layers:
                    if source <= target < source + written[source].shape[-2]:
                        activation = activation + written[source][..., target - source, :].to(activation)
                return activation

            return add

        reached = range(layers[0], transcoders.n_layers) if layers else ()
        opened.enter_context(model.edit({f"mlp_out.{layer}": adding(layer) for layer in reached}))
        yield


def changed_codes(model: LanguageModel, transcoders: TranscoderSet, edits: Sequence[FeatureEdit]) -> Change:
    """Return what edits make of a layer's codes in a pass of this model, for `stand_in`.

    Raises:
        UsageError: there is no such layer or feature, or a number is not finite.
    """
    for edit in edits:
        _refuse(edit, transcoders)

    def change(layer: int, codes: Float[Tensor, "batch pos n_features"]) -> Float[Tensor, "batch pos n_features"]:
        own = [edit for edit in edits if edit.layer == layer]
        codes = codes.clone() if own else codes
        for edit in own:
            here = places_in_pass(model, edit.positions, codes.shape[1])
            codes[:, here, edit.feature] = edit.factor * codes[:, here, edit.feature] + edit.constant
        return codes

    return change


def _refuse(edit: FeatureEdit, transcoders: TranscoderSet) -> None:
    if not 0 <= edit.layer < transcoders.n_layers:
        raise UsageError("no such layer", value=edit.layer, remedy=f"Layers are 0..{transcoders.n_layers - 1}.")
    n_features = transcoders.n_features(edit.layer)
    if not 0 <= edit.feature < n_features:
        raise UsageError("no such feature", value=edit.feature, remedy=f"Features are 0..{n_features - 1}.")
    if not (math.isfinite(edit.factor) and math.isfinite(edit.constant)):
        value = f"{edit.factor} and {edit.constant}"
        raise UsageError("cannot set a code to what is not finite", value=value, remedy="Check factor and constant.")
