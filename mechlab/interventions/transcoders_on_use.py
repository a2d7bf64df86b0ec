"""Transcoders that stay on the disk: a layer's weights are read when they are asked for, and only one layer's are held.

1. All are read once, one after the other: what does not fit is refused now, and what is small (biases, skips) is kept.
2. Of the rest only type and shape are kept.
3. Whoever asks for codes or rows of a layer has it read, unless it was the last.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import torch

from mechlab.dictionaries.dictionary import Dictionary
from mechlab.interventions.transcoder_set import TranscoderSet
from mechlab.models.spec import ModelSpec

Read = Callable[[], Dictionary]
KEPT = ("b_dec", "W_skip")


@dataclass(frozen=True, eq=False)
class TranscodersOnUse(TranscoderSet):
    """A set of which one layer is in memory at a time.

    Attributes:
        layers: of each layer's transcoder what is small; the rest has type and shape but no numbers.
        readings: what reads each layer's transcoder; the same for all layers of a cross-layer one, which stays.
        dtype: the number type that weights are brought to.
    """

    readings: tuple[Read, ...]
    dtype: torch.dtype
    _last: dict[Read, Dictionary] = field(default_factory=dict, repr=False)

    @staticmethod
    def of_readings(by_route: Mapping[str, Read], spec: ModelSpec) -> "TranscodersOnUse":
        """Return the set of what is read, each under the route it was trained on, as `TranscoderSet.of` takes them.

        Raises:
            UsageError: as `TranscoderSet.of`.
        """
        closed = {route: _closed(read()) for route, read in by_route.items()}
        whole = TranscoderSet.of(closed, spec)
        read_of = {id(closed[route]): read for route, read in by_route.items()}
        readings = tuple(read_of[id(layer)] for layer in whole.layers)
        return TranscodersOnUse(whole.layers, whole.read_kind, readings, whole.bias(0).dtype)

    def opened(self, layer: int) -> Dictionary:
        """Return a layer's transcoder with all its weights, read now unless it is the last that was."""
        read = self.readings[layer]
        if read not in self._last:
            self.let_go()
            self._last[read] = read().to(self.dtype)
        return self._last[read]

    def let_go(self) -> None:
        """Free the weights of the layer that was read last."""
        self._last.clear()

    def in_dtype(self, dtype: torch.dtype) -> "TranscodersOnUse":
        """Return the set in a number type, to which weights are brought when read; itself, if it has no other."""
        layers = super().in_dtype(dtype).layers
        return self if layers is self.layers else replace(self, layers=layers, dtype=dtype, _last={})


def _closed(dictionary: Dictionary) -> Dictionary:
    """Return the dictionary without its large weights."""
    for name, weights in list(dictionary.named_parameters()):
        if name not in KEPT:
            setattr(dictionary, name, torch.nn.Parameter(weights.detach().to("meta"), requires_grad=False))
    return dictionary
