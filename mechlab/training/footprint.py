"""What a training run will take, before it starts: memory while it runs, and bytes on disk."""

from dataclasses import dataclass

from mechlab.dictionaries.dictionary import Dictionary, DictionaryConfig
from mechlab.dictionaries.tiles import TILE_NUMBERS
from mechlab.training.config import TrainConfig

BYTES = 4
COPIES_IN_STEP = 4  # parameters, gradients and Adam's two moments
COPIES_ON_DISK = 3  # parameters and Adam's two moments


@dataclass(frozen=True)
class Footprint:
    """Bytes: `memory` beyond the model and the stream of activations, one `checkpoint` without the stream's state, and
    the finished `dictionary`. `n_steps` is the number of optimiser steps.
    """

    memory: int
    checkpoint: int
    dictionary: int
    n_steps: int


def footprint(kind: type[Dictionary], dictionary: DictionaryConfig, config: TrainConfig) -> Footprint:
    """Return what training a dictionary of this kind and size takes, in single precision.

    Writing a checkpoint holds its copy until the next step, so with checkpoints the memory is that much more.
    """
    parameters = dictionary.n_parameters * BYTES
    codes = config.batch_size * dictionary.d_sae
    codes = (min(codes, TILE_NUMBERS) if kind.in_tiles else codes) * BYTES * kind.dense_codes
    rebuilt = dictionary.width_out * len(dictionary.levels)  # every nested prefix has a reconstruction of its own
    rows = config.batch_size * (dictionary.d_in + rebuilt) * BYTES * 3
    checkpoint = parameters * COPIES_ON_DISK + dictionary.d_sae * 8
    held = checkpoint if config.checkpoint_every_steps else 0
    return Footprint(parameters * COPIES_IN_STEP + codes + rows + held, checkpoint, parameters, config.n_steps)
