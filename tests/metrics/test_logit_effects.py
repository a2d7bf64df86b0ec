"""The direct effect of a direction is what adding it just before the final norm does to the logits."""

import pytest
import torch
from oracles.tiny_models import N_LAYERS, tiny, token_rows

from mechlab.metrics.logit_effects import logit_effects
from mechlab.models.loaders import load
from mechlab.models.sites import Site, writes_to_the_stream


@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_effects_are_the_slope_of_the_logits_with_the_norms_divisor_held_still(family):
    model = load(tiny(family), device="cpu")
    tokens = token_rows(1, 1)
    last = f"resid_post.{N_LAYERS - 1}"
    direction = torch.randn(32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad(), model.read(last) as seen:
        model.logits(tokens)
        x = seen[last][0, -1].clone()
    # A step at a right angle to the (centred) state leaves the norm's divisor as it is, to first order.
    centred = x - x.mean() if family == "gpt2" else x
    direction = direction - (direction @ centred) / (centred @ centred) * centred
    step = 1e-2

    def logits_at(state: torch.Tensor) -> torch.Tensor:
        with torch.no_grad(), model.edit({last: lambda _: state[None, None]}):
            return model.logits(tokens)[0, -1].double()

    slope = (logits_at(x + step * direction) - logits_at(x - step * direction)) / (2 * step)
    found = logit_effects(model, direction[None], tokens)[0].double()
    torch.testing.assert_close(found, slope - slope.mean(), atol=5e-3, rtol=5e-3)
    assert slope.std() > 0.1


def test_effects_are_linear_in_the_direction():
    model = load(tiny("gpt2"), device="cpu")
    directions = torch.randn(2, 32, generator=torch.Generator().manual_seed(0))
    one, two = logit_effects(model, directions, token_rows())
    (both,) = logit_effects(model, directions[:1] + 3 * directions[1:], token_rows())
    torch.testing.assert_close(both, one + 3 * two, atol=1e-4, rtol=1e-4)


def test_only_sites_of_the_residual_stream_have_a_direct_effect():
    assert all(writes_to_the_stream(Site(kind, 0)) for kind in ("resid_pre", "resid_post", "mlp_out", "attn_out"))
    assert not any(writes_to_the_stream(Site(kind, 0)) for kind in ("mlp_post", "z", "q", "pattern"))
