"""The loss of a batch and its gradients, a few rows at a time where the kind allows it.

1. A kind whose loss is a mean over rows may be taken in tiles that stay in the processor's cache.
2. Each tile's loss counts by its share of the rows; weight gradients add up in place.
3. The tiles' losses together are those of the batch.
"""

from dataclasses import replace

import torch
from torch import Tensor

from mechlab.core.multiply import multiplication, multiplier
from mechlab.core.products import exact_products
from mechlab.dictionaries.centred_linear import gradients_in_place
from mechlab.dictionaries.dictionary import Dictionary, Losses, StepContext
from mechlab.dictionaries.tiles import TILE_NUMBERS


def differentiate(
    dictionary: Dictionary, inputs: Tensor, targets: Tensor, context: StepContext, precision: str = "float32"
) -> Losses:
    """Return the losses of a batch, without their graph; the gradients are in the parameters.

    Args:
        dictionary: whose loss it is.
        inputs: a batch.
        targets: what is to be rebuilt.
        context: what the loss may know beside its batch.
        precision: what large products are taken in, `float32` or `bfloat16`.
    """
    with exact_products(), multiplication(precision):
        context = replace(context, few_fire=dictionary.few_fire(inputs))
        n_rows = len(inputs) if context.few_fire else _rows_at_once(dictionary, inputs)
        shares = []
        with gradients_in_place(), dictionary.norms_computed_once():
            for start in range(0, len(inputs), n_rows):
                part = slice(start, start + n_rows)
                losses = dictionary.loss(inputs[part], targets[part], context)
                share = len(inputs[part]) / len(inputs)
                (losses.total if share == 1 else losses.total * share).backward()
                shares.append((_plain(losses), share))
    return shares[0][0] if len(shares) == 1 else _together(shares)


def _rows_at_once(dictionary: Dictionary, inputs: Tensor) -> int:
    if not dictionary.row_wise or inputs.device.type != "cpu":
        return len(inputs)
    # Rounded weight gradients cost a conversion each time they are added up.
    n_tiles = dictionary.tiles_at_once * (1 if multiplier().exact else 4)
    return max(1, min(len(inputs), n_tiles * TILE_NUMBERS // dictionary.config.d_sae))


def _plain(losses: Losses) -> Losses:
    parts = {name: part.detach() for name, part in losses.parts.items()}
    return replace(losses, parts=parts, reconstruction=losses.reconstruction.detach())


def _together(shares: list[tuple[Losses, float]]) -> Losses:
    every = [losses for losses, _ in shares]
    parts = {
        name: torch.stack([losses.parts[name] * share for losses, share in shares]).sum() for name in every[0].parts
    }
    return Losses(
        parts,
        torch.cat([losses.reconstruction for losses in every]),
        torch.stack([losses.fired for losses in every]).any(0),
        torch.stack([losses.l0 * share for losses, share in shares]).sum(),
    )
