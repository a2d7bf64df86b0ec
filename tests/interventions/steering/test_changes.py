"""The change of many rows at once is that of each row by its formula, and a row without one changes nothing at all."""

import pytest
import torch
from oracles.tiny_models import tiny

from mechlab.dictionaries.relu import ReluConfig, ReluDictionary
from mechlab.interventions.steering.changes import Along, Recoded, Shift
from mechlab.interventions.steering.features import features_of
from mechlab.interventions.steering.gating import Gating
from mechlab.interventions.steering.operations import Recode
from mechlab.interventions.steering.parts import FeaturePart, VectorPart
from mechlab.interventions.steering.span import TokenSpan
from mechlab.interventions.steering.spec import SteerGate
from mechlab.models.loaders import load
from mechlab.models.sites import Site

SITE, LIKE = Site("resid_post", 1), torch.empty(0, dtype=torch.float64)
DRAW = torch.Generator().manual_seed(0)
X, VECTORS, OTHERS = (torch.randn(*shape, 32, generator=DRAW, dtype=torch.float64) for shape in ((3, 4), (3,), (3,)))
HOW = {"site": SITE, "read": None, "span": TokenSpan(), "keep_norm": False, "gate": None}
SAE = ReluDictionary(ReluConfig(d_in=32, d_sae=12), seed=2).double().requires_grad_(False)
FEATURES = features_of(
    FeaturePart(dictionary="sae", feature=0), "resid_post.1", {"sae": SAE}, load(tiny("gpt2"), device="cpu").spec
)


def shift(number: int, **how) -> Shift:
    return Shift(**{**HOW, **how}, vector=VECTORS[number])


def along(number: int, gain: float, constant: float) -> Along:
    shift = torch.tensor(constant, dtype=torch.float64)
    return Along(**HOW, reader=VECTORS[number], writer=OTHERS[number], gain=gain, shift=shift)


def recoded(feature: int, *recode: float, **how) -> Recoded:
    return Recoded(**{**HOW, **how}, features=FEATURES, feature=feature, recode=Recode(*recode))


def test_every_row_gets_the_sum_of_its_vectors():
    found = Shift.kernel([[shift(0)], [], [shift(1), shift(2)]], LIKE)
    expected = torch.stack([VECTORS[0], torch.zeros(32), VECTORS[1] + VECTORS[2]])[:, None]
    torch.testing.assert_close(found.expand_as(X), expected.expand_as(X).double())


def test_every_row_is_scaled_and_shifted_along_its_own_direction():
    found = Along.kernel([[along(0, -1.0, 2.0)], [], [along(2, 3.0, 0.0)]], LIKE)(X)
    for place in range(4):
        first = (-(X[0, place] @ VECTORS[0]) + 2) * OTHERS[0]
        torch.testing.assert_close(found[0, place], first)
        torch.testing.assert_close(found[2, place], 3 * (X[2, place] @ VECTORS[2]) * OTHERS[2])
    assert torch.equal(found[1], torch.zeros(4, 32, dtype=torch.float64))


def test_every_rows_codes_become_its_own():
    rows = [[recoded(3, 0, 2, -torch.inf), recoded(5, 1, 0, 0.4)], [], [recoded(5, 2, 0, -torch.inf)]]
    found, codes = Recoded.kernel(rows, LIKE)(X), SAE.encode(X)
    new = codes.clone()
    new[0, :, 3], new[0, :, 5], new[2, :, 5] = 2.0, codes[0, :, 5].clamp(min=0.4), 2 * codes[2, :, 5]
    torch.testing.assert_close(found, SAE.decode(new) - SAE.decode(codes))
    assert torch.equal(found[1], torch.zeros(4, 32, dtype=torch.float64)) and bool(found[2].any())


def test_figures_keep_float64():
    third = 1 / 3
    found = Recoded.kernel([[recoded(3, 0, third, -torch.inf)]], LIKE)(X)
    torch.testing.assert_close(found[0, 0], (third - SAE.encode(X)[0, 0, 3]) * SAE.W_dec[3], rtol=1e-14, atol=1e-15)


def test_one_change_for_all_rows_is_made_in_each():
    found = Along.kernel([[along(0, -1.0, 2.0)]], LIKE)(X)
    torch.testing.assert_close(found, (-(X @ VECTORS[0]) + 2)[..., None] * OTHERS[0])


@pytest.mark.parametrize("other", [{"span": TokenSpan(stop=2)}, {"keep_norm": True}, {"read": Site("resid_pre", 0)}])
def test_changes_that_differ_in_more_than_their_numbers_are_not_made_together(other):
    assert shift(0).key == shift(1).key != shift(1, **other).key
    assert shift(0).key != along(0, 1.0, 0.0).key


def test_only_what_does_not_depend_on_one_another_is_made_at_once_in_a_row():
    assert shift(1).joins(shift(0))
    assert not shift(1, keep_norm=True).joins(shift(0, keep_norm=True))
    assert not along(1, 1.0, 0.0).joins(along(0, 1.0, 0.0))
    assert recoded(3, 1, 0, 0).joins(recoded(5, 1, 0, 0))
    assert not recoded(3, 1, 0, 0).joins(recoded(3, 2, 0, 0))
    gates = [Gating(SteerGate(part=VectorPart(name="w"), above=above), None, VECTORS[0]) for above in (0.1, 0.2)]
    assert not recoded(3, 1, 0, 0, gate=gates[0]).joins(recoded(5, 1, 0, 0, gate=gates[1]))
    assert not shift(1, gate=gates[0]).joins(shift(0, gate=gates[1]))
