"""Gates of several rows are looked at together and each opens as it would alone."""

import pytest
import torch
from oracles.tiny_models import tiny

from mechlab.dictionaries.relu import ReluConfig, ReluDictionary
from mechlab.interventions.steering.features import features_of
from mechlab.interventions.steering.gating import Gating, stacked_gates
from mechlab.interventions.steering.parts import FeaturePart, VectorPart
from mechlab.interventions.steering.spec import SteerGate
from mechlab.models.loaders import load
from mechlab.models.sites import Site

LIKE, EVERYWHERE = torch.empty(0), slice(None)
X = torch.randn(3, 5, 8, generator=torch.Generator().manual_seed(0))
PROBES = torch.randn(3, 8, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def by_direction(number: int, above: float, site: Site | None = None) -> Gating:
    return Gating(SteerGate(part=VectorPart(name="w"), above=above), site, PROBES[number])


def test_a_direction_opens_a_gate_where_its_dot_product_is_above_the_threshold():
    gates = stacked_gates([by_direction(0, 0.3), None, by_direction(2, -1.0)], LIKE)
    found = gates.open_at(X, {}, EVERYWHERE)
    assert found.shape == (3, 5, 1) and found.dtype == X.dtype
    assert torch.equal(found[0, :, 0], (X[0] @ PROBES[0].float() > 0.3).float())
    assert torch.equal(found[2, :, 0], (X[2] @ PROBES[2].float() > -1.0).float())
    assert 0 < found[0].sum() < 5 or 0 < found[2].sum() < 5


def test_one_gate_for_all_rows_is_looked_at_in_each():
    found = stacked_gates([by_direction(0, 0.3)], LIKE).open_at(X, {}, EVERYWHERE)
    assert torch.equal(found[..., 0], (X @ PROBES[0].float() > 0.3).float())


def test_the_threshold_itself_is_not_above_it():
    gates = stacked_gates([Gating(SteerGate(part=VectorPart(name="w"), above=2.0), None, torch.ones(4).double())], LIKE)
    x = torch.tensor([[[0.5, 0.5, 0.5, 0.5], [0.5, 0.5, 0.5, 1.0]]])
    assert gates.open_at(x, {}, EVERYWHERE).flatten().tolist() == [0.0, 1.0]


def test_features_open_gates_by_their_codes():
    sae = ReluDictionary(ReluConfig(d_in=32, d_sae=12), seed=2).requires_grad_(False)
    spec = load(tiny("gpt2"), device="cpu").spec
    features = features_of(FeaturePart(dictionary="sae", feature=0), "resid_post.1", {"sae": sae}, spec)
    x = torch.randn(2, 7, 32, generator=torch.Generator().manual_seed(3))
    rows = [
        Gating(SteerGate(part=FeaturePart(dictionary="sae", feature=number), above=above), None, None, features)
        for number, above in ((3, 0.0), (8, 0.05))
    ]
    found = stacked_gates(rows, LIKE).open_at(x, {}, EVERYWHERE)
    codes = sae.encode(x)
    assert torch.equal(found[0, :, 0], (codes[0, :, 3] > 0).float())
    assert torch.equal(found[1, :, 0], (codes[1, :, 8] > 0.05).float())
    assert 0 < found.sum() < found.numel()


def test_another_site_is_read_at_the_same_places():
    gates = stacked_gates([by_direction(0, 0.0, Site("resid_post", 0))], LIKE)
    found = gates.open_at(X[:, 2:4] * 0, {"resid_post.0": X}, slice(2, 4))
    assert torch.equal(found[..., 0], (X[:, 2:4] @ PROBES[0].float() > 0).float())


@pytest.mark.parametrize("site", [None, Site("resid_post", 0)])
def test_gates_are_looked_at_together_where_they_read_the_same(site):
    assert by_direction(0, 0.3, site).key == by_direction(2, 5.0, site).key
    assert by_direction(0, 0.3, site).key != by_direction(0, 0.3, Site("resid_post", 1)).key
