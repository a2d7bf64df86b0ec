"""An assistant puts its shard where the writer makes a checkpoint of it, and leaves all else alone."""

import torch

from mechlab.store.assistant import RunAssistant
from mechlab.store.checkpoints import Checkpoint, unfinished_place, write_checkpoint
from mechlab.store.shards import write_shard


def test_an_assistant_writes_its_shard_and_nothing_else(tmp_path):
    checkpoints = tmp_path / "run.partial" / "checkpoints"
    assistant = RunAssistant(tmp_path / "run", 1, 2, resumed_step=0)
    assistant.log({"loss": 1.0})
    assistant.write_dictionary({}, {})
    assistant.save_checkpoint(3, {}, {}, ())
    assert not list(tmp_path.iterdir())
    own = assistant.save_shard(3, 1, 2, {"x": torch.tensor([2, 3])})
    first = write_shard(unfinished_place(checkpoints, 3), 0, 2, {"x": torch.tensor([0, 1])})
    write_checkpoint(checkpoints, Checkpoint(3, {"b": torch.zeros(1)}, shards=(first, own)))
    assert assistant.resumed_from is None
    found = RunAssistant(tmp_path / "run", 1, 2, resumed_step=3).resumed_from
    assert found is not None and found.tensors["x"].tolist() == [2, 3] and "b" in found.tensors
