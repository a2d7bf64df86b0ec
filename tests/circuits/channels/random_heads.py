"""Random heads, and heads with one planted channel, as decomposed circuits."""

import torch
from torch import Tensor

from mechlab.circuits.channels.head_circuits import HeadCircuits
from mechlab.circuits.channels.thin_svd import ThinSVD, thin_svd


def random_heads(
    n_layers: int = 4, n_heads: int = 3, d_model: int = 48, d_head: int = 6, seed: int = 0
) -> tuple[HeadCircuits, dict[str, Tensor]]:
    """Return the circuits of heads whose weights are normal draws, and the weights."""
    draw = torch.Generator().manual_seed(seed)
    shape = (n_layers, n_heads, d_model, d_head)
    weights = {name: torch.randn(shape, generator=draw) / d_model**0.5 for name in ("W_V", "W_O", "W_Q", "W_K")}
    weights["W_O"] = weights["W_O"].mT.contiguous()
    return of_weights(weights), weights


def of_weights(weights: dict[str, Tensor]) -> HeadCircuits:
    """Return the circuits of heads with these weights."""
    ov = thin_svd(weights["W_V"], weights["W_O"])
    return HeadCircuits(ov, thin_svd(weights["W_Q"], weights["W_K"].mT), None, weights["W_V"].shape[2])


def with_channel(
    circuits: HeadCircuits, sender: tuple[int, int], receiver: tuple[int, int], strength: float, seed: int = 1
) -> HeadCircuits:
    """Return the circuits with a direction that the sender's weakest component writes and the receiver's queries read.

    Both have `strength` times their head's largest singular value there.
    """
    d_model, k = circuits.ov.write.shape[-2:]
    shared = torch.randn(d_model, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    shared /= shared.norm()
    ov, qk = circuits.ov.matrices(), circuits.qk.matrices()
    for matrices, svd, head, side in ((ov, circuits.ov, sender, "write"), (qk, circuits.qk, receiver, "read")):
        read, values, write = svd.read[head].clone(), svd.values[head].clone(), svd.write[head].clone()
        values[-1] = strength * values[0]
        (write if side == "write" else read)[:, -1] = shared
        matrices[head] = (read * values) @ write.T
    return HeadCircuits(_of_matrices(ov, k), _of_matrices(qk, k), None, circuits.d_stream)


def _of_matrices(matrices: Tensor, k: int) -> ThinSVD:
    left, values, right = torch.linalg.svd(matrices, full_matrices=False)
    return ThinSVD(left[..., :k], values[..., :k], right[..., :k, :].mT)
