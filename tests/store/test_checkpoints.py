"""Checkpoints: whole or absent, the newest is read, and a damaged one is never passed over."""

import os
import signal

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mechlab.core.errors import ArtifactError, UsageError
from mechlab.store.checkpoints import Checkpoint, checkpoint_places, latest_checkpoint, write_checkpoint

NUMBERS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def at(step):
    return Checkpoint(step, {"w": torch.full((4,), float(step))}, {"seen": 10 * step, "rate": 0.1 / 3}, log_bytes=step)


def test_the_newest_reads_back_as_it_was_written(tmp_path):
    write_checkpoint(tmp_path, at(400))
    write_checkpoint(tmp_path, at(1200))
    read = latest_checkpoint(tmp_path)
    assert (read.step, read.numbers, read.log_bytes) == (1200, {"seen": 12000, "rate": 0.1 / 3}, 1200)
    assert torch.equal(read.tensors["w"], torch.full((4,), 1200.0))


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.text(), NUMBERS, max_size=4))
def test_any_numbers_read_back_exactly(tmp_path, numbers):
    write_checkpoint(tmp_path, Checkpoint(1, {}, numbers))
    assert latest_checkpoint(tmp_path).numbers == numbers


def test_without_checkpoints_there_is_none(tmp_path):
    assert latest_checkpoint(tmp_path) is None
    assert latest_checkpoint(tmp_path / "absent") is None


def test_only_the_newest_few_are_kept(tmp_path, names):
    for step in (1, 2, 3, 4):
        write_checkpoint(tmp_path, at(step), keep=2)
    assert names(tmp_path) == ["step-00000003", "step-00000004"]


def test_the_newest_is_the_one_with_the_most_steps_even_past_eight_digits(tmp_path):
    for step in (99_999_999, 100_000_000):
        write_checkpoint(tmp_path, at(step))
    assert latest_checkpoint(tmp_path).step == 100_000_000


def test_the_same_step_can_be_written_again(tmp_path):
    write_checkpoint(tmp_path, at(5))
    write_checkpoint(tmp_path, Checkpoint(5, {"w": torch.zeros(1)}))
    assert latest_checkpoint(tmp_path).tensors["w"].shape == (1,)


def test_what_a_killed_writer_left_does_not_get_into_a_checkpoint(tmp_path, names):
    (tmp_path / ".step-00000005.tmp").mkdir()
    (tmp_path / ".step-00000005.tmp" / "older.safetensors").write_bytes(b"half")
    assert names(write_checkpoint(tmp_path, at(5))) == ["state.json", "tensors.safetensors"]


def test_equal_checkpoints_have_equal_bytes(tmp_path):
    first, second = write_checkpoint(tmp_path / "a", at(5)), write_checkpoint(tmp_path / "b", at(5))
    for name in ("tensors.safetensors", "state.json"):
        assert (first / name).read_bytes() == (second / name).read_bytes()


@pytest.mark.parametrize("name", ["tensors.safetensors", "state.json"])
def test_one_flipped_byte_anywhere_is_refused_with_the_remedy(tmp_path, name):
    write_checkpoint(tmp_path, at(400))
    newest = write_checkpoint(tmp_path, at(800))
    content = (newest / name).read_bytes()
    for position in range(0, len(content) - 1, 7):
        flipped = bytearray(content)
        flipped[position] ^= 1
        (newest / name).write_bytes(flipped)
        with pytest.raises(ArtifactError, match=r"checkpoint is damaged: .*step-00000800.* Delete that folder"):
            latest_checkpoint(tmp_path)


@pytest.mark.parametrize("name", ["tensors.safetensors", "state.json"])
def test_a_missing_part_is_refused_with_the_remedy(tmp_path, name):
    (write_checkpoint(tmp_path, at(400)) / name).unlink()
    with pytest.raises(ArtifactError, match=r"checkpoint is damaged: .* Delete that folder"):
        latest_checkpoint(tmp_path)


def test_deleting_the_damaged_one_leads_to_the_one_before(tmp_path):
    write_checkpoint(tmp_path, at(400))
    newest = write_checkpoint(tmp_path, at(800))
    (newest / "state.json").unlink()
    (newest / "tensors.safetensors").unlink()
    newest.rmdir()
    assert latest_checkpoint(tmp_path).step == 400


def test_a_full_disk_keeps_the_older_checkpoint_and_leaves_nothing_else(tmp_path, file_limit, names):
    write_checkpoint(tmp_path, at(400))
    with pytest.raises(UsageError, match="disk is full"), file_limit(1000):
        write_checkpoint(tmp_path, Checkpoint(800, {"w": torch.zeros(5000)}))
    assert names(tmp_path) == ["step-00000400"]


def test_a_kill_in_the_middle_leaves_the_older_checkpoint(tmp_path, killed, monkeypatch, names):
    write_checkpoint(tmp_path, at(400))
    monkeypatch.setattr("mechlab.store.checkpoints.write_json", lambda *_: os.kill(os.getpid(), signal.SIGKILL))
    killed(lambda: write_checkpoint(tmp_path, at(800)))
    monkeypatch.undo()
    assert latest_checkpoint(tmp_path).step == 400
    write_checkpoint(tmp_path, at(800))
    assert [place.name for place in checkpoint_places(tmp_path)] == ["step-00000400", "step-00000800"]
    assert len(names(tmp_path)) == 2
