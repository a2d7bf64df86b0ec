"""The mean angle by which LayerNorm turns a direction stays below the theorem's bound, at every width."""

import math

import pytest
import torch

from mechlab.circuits.observables.angle_bound import angle_bound
from mechlab.circuits.observables.reading_norms import ReadingNorm
from mechlab.core.errors import UsageError


def exact_mean(d):
    """Return the mean angle between a normal direction and itself without its parts along two others."""
    return math.sqrt(math.pi) / 2 * math.exp(math.lgamma((d - 1) / 2) - math.lgamma(d / 2))


@pytest.mark.parametrize(("d", "bound"), [(64, 0.253), (512, 0.089), (768, 0.0722), (2048, 0.0442)])
def test_the_mean_angle_is_below_the_bound(d, bound):
    generator = torch.Generator().manual_seed(d)
    streams, directions = torch.randn(2, 400, d, generator=generator, dtype=torch.float64)
    norm = ReadingNorm("ln_final", torch.ones(d, dtype=torch.float64), torch.zeros(d, dtype=torch.float64), 0.0, True)
    own = streams.clone().requires_grad_()
    exact = torch.autograd.grad((torch.nn.functional.layer_norm(own, (d,), eps=0.0) * directions).sum(), own)[0]
    found = norm.pulled(directions, streams, "exact")
    assert torch.allclose(found, exact, atol=1e-12)
    angles = torch.nn.functional.cosine_similarity(found, directions, dim=1).clamp(-1, 1).acos()
    error = float(angles.std()) / 400**0.5
    assert float(angles.mean()) + 5 * error < angle_bound(d)
    assert float(angles.mean()) == pytest.approx(exact_mean(d), abs=4 * error) and exact_mean(d) < angle_bound(d)
    # Recorded of the paper's theorem.
    assert angle_bound(d) == pytest.approx(bound, abs=5.1e-4)


def test_a_narrow_stream_is_refused():
    assert angle_bound(8) < 0.8
    with pytest.raises(UsageError, match=r"does not hold for so narrow a stream: 7\. 8 is the least"):
        angle_bound(7)
