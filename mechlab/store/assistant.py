"""A process that helps to train a run which another process writes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from mechlab.store.checkpoints import Checkpoint, read_checkpoint, unfinished_place
from mechlab.store.run import CHECKPOINTS_NAME
from mechlab.store.shards import write_shard
from mechlab.store.writer import SUFFIX


class RunAssistant:
    """What an assistant has in place of a `RunWriter`: it writes its own shard of checkpoints, and nothing else.

    Args:
        out: the run's folder, on a disk all processes share.
        index: number of the assistant's shard.
        n: number of shards.
        resumed_step: the step of the checkpoint the writer goes on from; 0 if there is none.
    """

    def __init__(self, out: Path, index: int, n: int, resumed_step: int) -> None:
        self._checkpoints = out.resolve().with_name(out.name + SUFFIX) / CHECKPOINTS_NAME
        self._index, self._n, self._step = index, n, resumed_step

    @property
    def resumed_from(self) -> Checkpoint | None:
        """Return the checkpoint to go on from; of one in n shards, the assistant's own.

        Raises:
            ArtifactError: it is damaged.
        """
        return read_checkpoint(self._checkpoints, self._step, (self._index, self._n)) if self._step else None

    def log(self, numbers: Mapping[str, Any]) -> None:
        """Leave the log to the writer."""

    def save_shard(self, step: int, index: int, n: int, tensors: Mapping[str, Tensor]) -> str:
        """Write the assistant's part of the coming checkpoint and return its SHA-256."""
        return write_shard(unfinished_place(self._checkpoints, step), index, n, tensors)

    def save_checkpoint(
        self, step: int, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any], shards: tuple[str, ...] = ()
    ) -> None:
        """Leave the checkpoint to the writer."""

    def write_dictionary(self, cfg: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
        """Leave the dictionary to the writer."""
