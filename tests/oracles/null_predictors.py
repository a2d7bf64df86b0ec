"""Dictionaries whose score is known without measuring: identity, zero, mean, and one that ignores its input."""

import torch
from torch import Tensor


class Predictor:
    """Has no skip: codes are all it goes by."""

    def rebuild(self, x: Tensor, codes: Tensor) -> Tensor:
        return self.decode(codes)


class IdentityDictionary(Predictor):
    """Gives back what it gets."""

    def encode(self, x: Tensor) -> Tensor:
        return x.clone()

    def decode(self, codes: Tensor) -> Tensor:
        return codes


class ConstantDictionary(Predictor):
    """Gives one vector whatever it gets; nothing is ever active."""

    def __init__(self, constant: Tensor) -> None:
        self.constant = constant

    def encode(self, x: Tensor) -> Tensor:
        return torch.zeros(*x.shape[:-1], 3, dtype=x.dtype)

    def decode(self, codes: Tensor) -> Tensor:
        return self.constant.to(codes).expand(*codes.shape[:-1], -1)


class RandomDictionary(Predictor):
    """Gives noise of the data's size, drawn without looking."""

    def __init__(self, scale: float = 1.0, seed: int = 0) -> None:
        self.scale, self.draw = scale, torch.Generator().manual_seed(seed)

    def encode(self, x: Tensor) -> Tensor:
        return torch.randn(x.shape, generator=self.draw).relu()

    def decode(self, codes: Tensor) -> Tensor:
        return self.scale * torch.randn(codes.shape, generator=self.draw)


def null_predictors(mean: Tensor) -> dict[str, object]:
    """Return the four predictors by the names under which metrics state their laws."""
    return {
        "identity": IdentityDictionary(),
        "zero": ConstantDictionary(torch.zeros_like(mean)),
        "mean": ConstantDictionary(mean),
        "random": RandomDictionary(),
    }
