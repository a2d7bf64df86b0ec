"""The arms of the comparison: what becomes of a starting dictionary, by whom, and how each is judged."""

import copy
import time
from collections.abc import Iterator
from typing import Any

from torch import Tensor

from mechlab.core.config import build
from mechlab.dictionaries import KINDS
from mechlab.dictionaries.dictionary import Dictionary
from mechlab.training.config import TrainConfig
from mechlab.training.run import TrainingRun

from trainers import InOrder, train_ours, train_theirs  # isort: skip


def untrained(start: Dictionary, batches: list[Tensor], config: TrainConfig) -> Dictionary:
    """Return the dictionary as it is before its first step: scaled, and centred on the first batch."""
    run = TrainingRun(copy.deepcopy(start), InOrder(batches), config)
    run.next_batch()
    run.finish()
    return run.dictionary.eval()


FROM_ZERO, FROM_MEAN = "mechlab, b_dec from zero", "mechlab, b_dec from the mean"
ARMS = {
    "mechlab": train_ours,
    "saelens": train_theirs,
    FROM_ZERO: lambda *given: train_ours(*given, b_dec_init="zeros"),
    FROM_MEAN: lambda *given: train_ours(*given, b_dec_init="mean"),
    "untrained": untrained,
}


def rows_of(
    world: Any, kinds: dict[str, Any], features: int, done: set[tuple[str, str]], arms: list[str]
) -> Iterator[dict]:
    """Yield what the judge says of every kind and arm that is not done yet, with the CPU seconds of its training."""
    for kind, options in kinds.items():
        sizes = {"d_in": world.batches[0].shape[1], "d_sae": features}
        start = KINDS[kind](build(KINDS[kind].Config, sizes | options), seed=world.seed)
        for arm in arms:
            if (kind, arm) in done:
                continue
            started = time.process_time()
            dictionary = ARMS[arm](start, world.batches, world.training)
            cpu_s = round(time.process_time() - started, 1)
            yield {"seed": world.seed, "kind": kind, "arm": arm, "cpu_s": cpu_s, **world.judged(dictionary)}
