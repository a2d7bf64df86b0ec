"""Taking a feature away at one token is what a reference library finds when its hook subtracts the direction there."""

import pytest
import torch
from oracles.tiny_models import hooked_transformer, tiny, token_rows

from mechlab.metrics import feature_ablation
from mechlab.metrics.feature_ablation import Removal, RemovalEffects, partners, removal_effects
from mechlab.models.loaders import load
from mechlab.models.route import Route

N, POS = 9, 14
HOOKS = {"resid_post.1": "blocks.1.hook_resid_post", "mlp_out.0": "blocks.0.hook_mlp_out"}


@pytest.fixture(scope="module", params=["gpt2", "llama"])
def pair(request):
    """Return a model and the reference's version of it."""
    model = tiny(request.param)
    return load(model, device="cpu"), hooked_transformer(model)


def removal(seed: int = 0, width: int = 32) -> Removal:
    draw = torch.Generator().manual_seed(seed)
    row = token_rows(n_rows=N, n_pos=POS, seed=seed).int()
    position = torch.randint(0, POS, (N,), generator=draw)
    position[0], position[1] = 0, POS - 1
    following = torch.tensor([-1 if p + 1 == POS else int(row[i, p + 1]) for i, p in enumerate(position.tolist())])
    following[2] = -1
    vectors = torch.randn(2, N, width, generator=draw)
    return Removal(row, position, following, vectors[0], vectors[1])


def by_reference(reference, where: Removal, hook: str) -> dict[str, torch.Tensor]:
    lines = []
    for i in range(N):
        tokens, p = where.row[i : i + 1].long(), int(where.position[i])

        def predicted(vector: torch.Tensor, tokens=tokens, p=p) -> torch.Tensor:
            def subtract(activation: torch.Tensor, hook) -> torch.Tensor:
                activation[0, p] -= vector
                return activation

            with torch.no_grad():
                return reference.run_with_hooks(tokens, fwd_hooks=[(hook, subtract)])[0, p].double().log_softmax(-1)

        clean, without, control = (predicted(v) for v in (torch.zeros(32), where.removed[i], where.control[i]))
        next_ = int(where.following[i])
        lines.append(
            [
                (clean - without)[next_] if next_ >= 0 else torch.nan,
                (clean - control)[next_] if next_ >= 0 else torch.nan,
                (clean.exp() * (clean - without)).sum(),
                (clean.exp() * (clean - control)).sum(),
            ]
        )
    return dict(zip(("loss", "control_loss", "divergence", "control_divergence"), torch.tensor(lines).T, strict=True))


@pytest.mark.parametrize("site", HOOKS)
@pytest.mark.parametrize("logits_at_once", [1 << 24, 1])
def test_losses_and_divergences_are_the_reference_s(pair, site, logits_at_once, monkeypatch):
    monkeypatch.setattr(feature_ablation, "LOGITS_AT_ONCE", logits_at_once)
    model, reference = pair
    where = removal()
    found = removal_effects(model, Route.of(site, model.spec), where)
    for name, expected in by_reference(reference, where, HOOKS[site]).items():
        torch.testing.assert_close(getattr(found, name), expected.double(), rtol=2e-3, atol=2e-5, equal_nan=True)
    assert torch.equal(found.loss.isnan(), where.following < 0) and not found.divergence.isnan().any()


def test_at_several_sites_each_loses_its_own_part(pair):
    model, _ = pair
    where = removal(width=64)
    half = Removal(where.row, where.position, where.following, where.removed[:, :32], where.control[:, :32])
    second_alone = Removal(
        where.row,
        where.position,
        where.following,
        *(v * (torch.arange(64) >= 32) for v in (where.removed, where.control)),
    )
    both = Route.of("mlp_out.0,mlp_out.1", model.spec)
    alone = removal_effects(model, Route.of("mlp_out.1", model.spec), _second(where))
    assert _equal(removal_effects(model, both, second_alone), alone)
    assert not _equal(
        removal_effects(model, both, where), removal_effects(model, Route.of("mlp_out.0", model.spec), half)
    )


def test_taking_nothing_away_changes_nothing(pair):
    model, _ = pair
    where = removal()
    nothing = Removal(where.row, where.position, where.following, 0 * where.removed, 0 * where.control)
    found = removal_effects(model, Route.of("resid_post.1", model.spec), nothing)
    assert all(values[~values.isnan()].abs().max() < 1e-6 for values in vars(found).values())


def test_partners_are_other_live_features_each_drawn_once():
    alive = torch.tensor([True, False, True, True, True, False])
    other = partners(alive, torch.Generator().manual_seed(0))
    live = alive.nonzero()[:, 0]
    assert sorted(other[live].tolist()) == live.tolist() and (other[live] != live).all()
    assert torch.equal(other[~alive], (~alive).nonzero()[:, 0])


def _second(where: Removal) -> Removal:
    return Removal(where.row, where.position, where.following, where.removed[:, 32:], where.control[:, 32:])


def _equal(one: RemovalEffects, other: RemovalEffects) -> bool:
    pairs = zip(vars(one).values(), vars(other).values(), strict=True)
    return all(torch.allclose(a, b, atol=1e-6, equal_nan=True) for a, b in pairs)
