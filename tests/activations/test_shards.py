"""Shards: what was served comes back bit by bit, in seeded random order; a changed byte is found and named."""

import errno
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from oracles.stand_in import TokenEcho, numbered_rows

from mechlab.activations import shards
from mechlab.activations.mixing import MixConfig
from mechlab.activations.shards import ShardConfig, ShardStream, read_index, write_shards
from mechlab.activations.stream import ActivationStream, StreamConfig
from mechlab.core.errors import ArtifactError, UsageError


def stream(n_batches: int | None = 24) -> ActivationStream:
    config = StreamConfig(batch_size=50, pool_size=100, forward_rows=4, n_batches=n_batches)
    return ActivationStream(TokenEcho(), numbered_rows(80, 16, specials=[0]), "resid_post.1", config)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_shards(stream(), tmp_path / "shards", ShardConfig(shard_rows=520))
    return tmp_path / "shards"


def read(folder: Path, **config: int) -> torch.Tensor:
    return torch.stack(list(ShardStream(folder, MixConfig(batch_size=50, pool_size=150, n_batches=24, **config))))


def test_files_are_plain_npy_that_numpy_reads_without_us(folder: Path):
    arrays = [np.load(folder / f"0000{i}.npy", allow_pickle=False) for i in range(3)]
    assert [array.shape for array in arrays] == [(500, 3), (500, 3), (200, 3)]
    expected = torch.cat(list(stream())).numpy()
    np.testing.assert_array_equal(np.concatenate(arrays), expected)


def test_every_stored_vector_is_served_once_a_pass_in_an_order_the_seed_decides(folder: Path):
    served = read(folder)[..., 0].long().flatten()
    assert served.sort().values.tolist() == [token for token in range(80 * 16) if token % 16]
    written = torch.cat(list(stream()))[:, 0].long()
    assert not torch.equal(served, written)
    assert torch.equal(read(folder), read(folder))
    assert not torch.equal(read(folder), read(folder, seed=1))


def test_reading_resumes_to_the_bit(folder: Path):
    config = MixConfig(batch_size=50, pool_size=150, n_batches=60)
    whole = ShardStream(folder, config)
    for _ in range(31):
        whole.next()
    resumed = ShardStream(folder, config)
    resumed.restore({name: value.clone() for name, value in whole.state().items()})
    assert torch.equal(torch.stack(list(resumed)), torch.stack(list(whole)))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_rounded_once_and_comes_back_as_float32(dtype: str, tmp_path: Path):
    write_shards(stream(), tmp_path / "half", ShardConfig(dtype=dtype))
    served = read(tmp_path / "half")
    exact = torch.cat(list(stream()))
    expected = exact.to(getattr(torch, dtype)).float()
    assert served.dtype == torch.float32
    assert not torch.equal(expected, exact)
    assert torch.equal(served.reshape(-1, 3)[:, 0].sort().values, expected[:, 0].sort().values)
    assert (tmp_path / "half" / "00000.npy").stat().st_size == 128 + 1200 * 3 * 2


def test_the_fingerprint_follows_the_bytes(folder: Path, tmp_path: Path):
    config = MixConfig(batch_size=50, pool_size=50)
    write_shards(stream(), tmp_path / "same", ShardConfig(shard_rows=520))
    write_shards(stream(), tmp_path / "half", ShardConfig(shard_rows=520, dtype="bfloat16"))
    assert ShardStream(folder, config).fingerprint == ShardStream(tmp_path / "same", config).fingerprint
    assert ShardStream(folder, config).fingerprint != ShardStream(tmp_path / "half", config).fingerprint
    assert read_index(folder).source == stream().fingerprint


def test_one_flipped_byte_is_found_and_the_shard_named(folder: Path):
    path = folder / "00001.npy"
    content = bytearray(path.read_bytes())
    content[-7] ^= 1
    path.write_bytes(content)
    with pytest.raises(ArtifactError, match=r"shard was changed: .*00001\.npy"):
        read_index(folder)
    read_index(folder, verify=False)


def test_a_truncated_or_missing_shard_is_named_even_without_hashing(folder: Path):
    path = folder / "00002.npy"
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(ArtifactError, match=r"truncated or changed: .*00002\.npy.*2524 of 2528 bytes"):
        read_index(folder, verify=False)
    path.unlink()
    with pytest.raises(ArtifactError, match=r"missing: .*00002\.npy"):
        read_index(folder, verify=False)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda index: index | {"schema_version": 99}, "newer mechlab"),
        (lambda index: index | {"extra": 1}, "broken"),
        (lambda index: {}, "broken"),
        (lambda index: [1], "broken"),
    ],
)
def test_an_index_that_is_not_ours_is_refused(change: object, message: str, folder: Path):
    path = folder / "index.json"
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    with pytest.raises(ArtifactError, match=message):
        read_index(folder)


def test_a_folder_without_index_is_refused(tmp_path: Path):
    with pytest.raises(ArtifactError, match="no index of shards"):
        read_index(tmp_path)


def test_an_existing_folder_and_an_endless_stream_are_refused(folder: Path, tmp_path: Path):
    with pytest.raises(UsageError, match="exists"):
        write_shards(stream(), folder)
    with pytest.raises(UsageError, match="no end"):
        write_shards(stream(None), tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_full_disk_leaves_nothing_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shards, "_write", full)
    with pytest.raises(UsageError, match=r"shards cannot be written: .*No space left on device"):
        write_shards(stream(), tmp_path / "new")
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_write_leaves_no_folder_that_looks_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def interrupted(*_: object) -> None:
        assert not (tmp_path / "new").exists()
        raise KeyboardInterrupt

    monkeypatch.setattr(shards, "_write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_shards(stream(), tmp_path / "new")
    assert list(tmp_path.iterdir()) == []
