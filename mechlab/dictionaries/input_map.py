"""A dictionary that reads what goes into an affine map, in place of one that reads what comes out of it.

1. Encoder rows and the skip take the map's gain.
2. What its shift adds goes into the encoder's bias, and through the skip into the decoder's.
"""

from copy import deepcopy

import torch
from jaxtyping import Float
from torch import Tensor

from mechlab.core.errors import UsageError
from mechlab.dictionaries.crosslayer import Crosslayer
from mechlab.dictionaries.dictionary import Dictionary
from mechlab.dictionaries.gated import GatedDictionary


@torch.no_grad()
def before_map(dictionary: Dictionary, gain: Float[Tensor, "d_in"], shift: Float[Tensor, "d_in"]) -> Dictionary:
    """Return the dictionary that makes of `x` what this one makes of `gain * x + shift`.

    Args:
        dictionary: left as it is.
        gain: of the map; of several layers side by side, as the dictionary reads them.
        shift: of the map.

    Raises:
        UsageError: the dictionary is gated: its codes have a second bias.

    Source: algebra; with a norm's gain and bias it is the folding that TransformerLens does to models.
    """
    if isinstance(dictionary, GatedDictionary) or dictionary.centre is not None:
        remedy = "Take one with a single bias and an input that is not centred."
        raise UsageError("dictionary cannot read before a map", value=dictionary.kind, remedy=remedy)
    made = deepcopy(dictionary)
    n_layers = made.config.n_layers if isinstance(made, Crosslayer) else 1
    gains, shifts = (part.to(made.encoder).view(n_layers, 1, -1) for part in (gain, shift))
    rows = made.encoder.view(n_layers, -1, gains.shape[-1])
    made.b_enc.add_((rows * shifts).sum(-1).flatten())
    rows.mul_(gains)
    if made.W_skip is not None:
        made.b_dec.add_(made.W_skip @ shifts.flatten())
        made.W_skip.mul_(gains.flatten())
    return made
