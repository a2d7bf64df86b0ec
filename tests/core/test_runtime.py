"""Devices: the ones that are here are given, the others are refused in one line."""

import os
import subprocess
import sys

import pytest
import torch

from mechlab.core.errors import UsageError
from mechlab.core.runtime import SMALL_MODEL_PARAMS, resolve_device, use_threads


def test_the_cpu_is_always_there():
    assert resolve_device("cpu") == torch.device("cpu")


def test_auto_takes_cuda_where_it_is_and_the_cpu_elsewhere(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert resolve_device("auto") == torch.device("cpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert resolve_device("auto") == torch.device("cuda")


@pytest.mark.parametrize("name", ["banana", "", "meta", "hpu", "CPU"])
def test_a_device_that_does_not_exist_is_refused(name):
    with pytest.raises(UsageError, match="unknown device"):
        resolve_device(name)


@pytest.mark.parametrize("name", ["cuda:99", "cpu:-3", "mps:7"])
def test_a_device_that_is_not_here_is_refused(name):
    with pytest.raises(UsageError, match="not on this machine"):
        resolve_device(name)


def test_a_small_model_takes_one_thread_and_a_wish_is_obeyed():
    before = torch.get_num_threads()
    try:
        use_threads(2, n_params=10)
        assert torch.get_num_threads() == 2
        use_threads(None, n_params=SMALL_MODEL_PARAMS)
        assert torch.get_num_threads() == 2
        use_threads(None, n_params=SMALL_MODEL_PARAMS - 1)
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)


FAULTS_OF_A_BLOCK_TAKEN_AGAIN = """
import resource, sys, torch
from mechlab.core.runtime import keep_freed_memory
if "keep" in sys.argv and not keep_freed_memory(of_any_size="any" in sys.argv):
    sys.exit(3)
n_numbers = 1 << (24 if "large" in sys.argv else 20)

def faults_of(n_rounds):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(n_rounds):
        blocks = [torch.ones(n_numbers) for _ in range(4)]
        del blocks
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
faults_of(20)
print(faults_of(20))
"""


def test_kept_memory_is_not_faulted_in_again():
    # Left to itself glibc moves the threshold as it sees fit; set, it gives every large block back.
    gives_back = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "131072"}

    def faults(*arguments: str) -> int:
        command = [sys.executable, "-c", FAULTS_OF_A_BLOCK_TAKEN_AGAIN, *arguments]
        run = subprocess.run(command, capture_output=True, text=True, check=False, env=gives_back)
        if run.returncode == 3:
            pytest.skip("this C library has no mallopt")
        return int(run.stdout)

    assert faults() > 1000
    assert faults("keep") < 100
    assert faults("keep", "large") > 1000
    assert faults("keep", "large", "any") < 100
