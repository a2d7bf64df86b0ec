"""Shards written apart are read as one; a missing or changed one is found."""

import pytest
import torch

from mechlab.core.errors import ArtifactError
from mechlab.store.checkpoints import Checkpoint, latest_checkpoint, read_checkpoint, unfinished_place, write_checkpoint
from mechlab.store.shards import read_shards, shard_name, write_shard

WHOLE = {"a/x": torch.arange(12.0).reshape(6, 2), "counts": torch.arange(6)}


def part(rank, n):
    return {name: tensor.chunk(n)[rank] for name, tensor in WHOLE.items()}


@pytest.fixture
def folder(tmp_path):
    """Return a folder with one checkpoint in three shards."""
    sums = [write_shard(unfinished_place(tmp_path, 7), rank, 3, part(rank, 3)) for rank in range(3)]
    write_checkpoint(tmp_path, Checkpoint(7, {"b": torch.ones(2)}, {"lr": 0.5}, shards=tuple(sums)))
    return tmp_path


def test_all_shards_are_the_whole_and_one_is_a_part(tmp_path):
    sums = [write_shard(tmp_path, rank, 2, part(rank, 2)) for rank in range(2)]
    for name, tensor in read_shards(tmp_path, sums).items():
        assert torch.equal(tensor, WHOLE[name])
    assert torch.equal(read_shards(tmp_path, sums, only=1)["counts"], torch.tensor([3, 4, 5]))


def test_a_checkpoint_joins_its_shards(folder):
    found = latest_checkpoint(folder)
    assert (found.step, found.numbers) == (7, {"lr": 0.5})
    assert set(found.tensors) == {"a/x", "counts", "b"}
    assert torch.equal(found.tensors["a/x"], WHOLE["a/x"])


def test_as_many_readers_as_shards_read_one_each_and_others_all(folder):
    assert torch.equal(read_checkpoint(folder, 7, (1, 3)).tensors["counts"], torch.tensor([2, 3]))
    assert torch.equal(read_checkpoint(folder, 7, (1, 2)).tensors["counts"], WHOLE["counts"])


def test_a_missing_or_changed_shard_is_named(folder):
    place = folder / "step-00000007" / shard_name(1, 3)
    whole = place.read_bytes()
    place.write_bytes(whole[:-1] + b"x")
    with pytest.raises(ArtifactError, match=r"damaged.*shard-00002-of-00003.safetensors was changed"):
        latest_checkpoint(folder)
    place.unlink()
    with pytest.raises(ArtifactError, match=r"damaged.*shard-00002-of-00003.safetensors is missing"):
        latest_checkpoint(folder)
    assert read_checkpoint(folder, 7, (2, 3)).step == 7


def test_what_killed_processes_left_does_not_get_into_a_checkpoint(tmp_path):
    place = unfinished_place(tmp_path, 7)
    write_shard(place, 3, 4, part(0, 2))
    sums = tuple(write_shard(place, rank, 2, part(rank, 2)) for rank in range(2))
    write_checkpoint(tmp_path, Checkpoint(7, {}, shards=sums))
    stored = sorted(path.name for path in (tmp_path / "step-00000007").iterdir())
    assert stored == [shard_name(0, 2), shard_name(1, 2), "state.json", "tensors.safetensors"]
    write_shard(unfinished_place(tmp_path, 8), 0, 2, part(0, 2))
    write_checkpoint(tmp_path, Checkpoint(8, {}))
    assert sorted(path.name for path in (tmp_path / "step-00000008").iterdir()) == ["state.json", "tensors.safetensors"]
