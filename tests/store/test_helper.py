"""A helper puts its shard where the writer makes a checkpoint of it, and leaves all else alone."""

import torch

from mechlab.store.checkpoints import Checkpoint, unfinished_place, write_checkpoint
from mechlab.store.helper import RunHelper
from mechlab.store.shards import write_shard


def test_a_helper_writes_its_shard_and_nothing_else(tmp_path):
    checkpoints = tmp_path / "run.partial" / "checkpoints"
    helper = RunHelper(tmp_path / "run", 1, 2, resumed_step=0)
    helper.log({"loss": 1.0})
    helper.write_dictionary({}, {})
    helper.save_checkpoint(3, {}, {}, ())
    assert not list(tmp_path.iterdir())
    own = helper.save_shard(3, 1, 2, {"x": torch.tensor([2, 3])})
    first = write_shard(unfinished_place(checkpoints, 3), 0, 2, {"x": torch.tensor([0, 1])})
    write_checkpoint(checkpoints, Checkpoint(3, {"b": torch.zeros(1)}, shards=(first, own)))
    assert helper.resumed_from is None
    found = RunHelper(tmp_path / "run", 1, 2, resumed_step=3).resumed_from
    assert found is not None and found.tensors["x"].tolist() == [2, 3] and "b" in found.tensors
