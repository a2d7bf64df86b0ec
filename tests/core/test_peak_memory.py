"""The rise is that of the work's largest moment, also where it gives all back, and not of what was held before."""

import sys

import pytest
import torch

from mechlab.core.peak_memory import rise_of

MB = 1 << 20


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's account is Linux's")
def test_a_block_that_comes_and_goes_is_counted_and_what_was_there_is_not():
    held = torch.ones(40 * MB // 4)
    small, large = (rise_of(lambda size=size: torch.ones(size * MB // 4).sum()) for size in (1, 64))
    assert large.before_bytes > held.nbytes
    assert 60 * MB < large.extra_bytes - small.extra_bytes < 70 * MB and small.extra_bytes < 20 * MB
