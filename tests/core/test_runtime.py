"""Devices: the ones that are here are given, the others are refused in one line."""

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
