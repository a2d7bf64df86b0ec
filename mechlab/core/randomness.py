"""Random draws: every generator is made from a seed and a purpose, and the global seed is never touched."""

import hashlib

import numpy as np
import torch


def sub_seed(seed: int, purpose: str) -> int:
    """Return a 63-bit seed that depends on the run's seed and on what the draw is for."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{purpose}".encode()).digest()[:8], "big") >> 1


def torch_generator(seed: int, purpose: str, device: str | torch.device = "cpu") -> torch.Generator:
    """Return a torch generator for one purpose."""
    return torch.Generator(device=device).manual_seed(sub_seed(seed, purpose))


def numpy_generator(seed: int, purpose: str) -> np.random.Generator:
    """Return a NumPy generator for one purpose."""
    return np.random.Generator(np.random.PCG64(sub_seed(seed, purpose)))
