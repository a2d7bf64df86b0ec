"""What does not fit the model or what is given is refused before any pass, and strengths become lengths."""

import pytest
import torch
from oracles.tiny_models import D_MODEL, tiny

from mechlab.core.errors import UsageError
from mechlab.dictionaries.relu import ReluConfig, ReluDictionary
from mechlab.interventions.steering.changes import Along, Recoded, Shift
from mechlab.interventions.steering.parts import ComponentPart, FeaturePart, VectorPart
from mechlab.interventions.steering.resolving import Resolver
from mechlab.interventions.steering.spec import SteerGate, SteerSpec, SteerStep
from mechlab.interventions.steering.steer_by import steer_by
from mechlab.models.loaders import load

MODEL = load(tiny("gpt2"), device="cpu")
V = torch.randn(D_MODEL, generator=torch.Generator().manual_seed(0))
SAE = ReluDictionary(ReluConfig(d_in=D_MODEL, d_sae=12, decoder_init_norm=2.5), seed=2).requires_grad_(False)
NARROW = ReluDictionary(ReluConfig(d_in=8, d_sae=12))
SOURCES = {"v": V, "zero": torch.zeros(D_MODEL), "short": torch.ones(3), "sae": SAE, "narrow": NARROW}
VECTOR, FEATURE = VectorPart(name="v"), FeaturePart(dictionary="sae", feature=3)


def step(part=VECTOR, **values) -> SteerStep:
    return SteerStep(**{"part": part, "sites": ("resid_post.1",), "strength": 2.0, **values})


def changes(*steps: SteerStep):
    return Resolver(MODEL, SOURCES).changes(SteerSpec(steps=steps))


def test_strengths_become_lengths_in_their_unit():
    size = {"unit_sizes": (3.0,)}
    lengths = {
        "own": 2 * V.norm(),
        "mean_norm": torch.tensor(6.0),
        "max_activation": torch.tensor(6.0),
    }
    for unit, length in lengths.items():
        (change,) = changes(step(unit=unit, **size))
        assert isinstance(change, Shift)
        torch.testing.assert_close(change.vector.float(), length * V / V.norm())
    for unit, length in {"own": 5.0, "mean_norm": 6.0, "max_activation": 15.0}.items():
        (change,) = changes(step(FEATURE, unit=unit, **size))
        torch.testing.assert_close(change.vector.norm().item(), length, rtol=1e-5, atol=0)
    (change,) = changes(step(FEATURE, operation="clamp", unit="max_activation", **size))
    assert isinstance(change, Recoded) and change.recode.constant == 6.0


def test_each_site_has_its_own_size_or_all_have_one():
    sites = ("resid_post.0", "resid_post.2")
    for sizes, lengths in (((3.0, 5.0), [6.0, 10.0]), ((4.0,), [8.0, 8.0])):
        found = changes(step(sites=sites, unit="mean_norm", unit_sizes=sizes))
        assert [str(one.site) for one in found] == list(sites)
        torch.testing.assert_close([one.vector.norm().item() for one in found], lengths)


def test_an_origin_is_subtracted_before_the_part_is_taken():
    (with_origin,), (without,) = (
        changes(step(operation="project_clamp", origin="v")),
        changes(step(operation="project_clamp")),
    )
    assert isinstance(with_origin, Along) and isinstance(without, Along)
    torch.testing.assert_close((with_origin.shift - without.shift).float(), V.norm())


def test_what_is_added_is_exactly_the_strength_times_the_vector():
    (change,) = changes(step(strength=0.1))
    assert torch.equal(change.vector, 0.1 * V.double())
    assert len(changes(step(part=VectorPart(name="zero")))) == 1


def test_what_changes_nothing_is_checked_and_left_out():
    assert changes(step(strength=0.0), step(operation="scale", strength=1.0)) == []
    with pytest.raises(UsageError, match="no vector is given"):
        changes(step(part=VectorPart(name="w"), strength=0.0))


def test_features_are_looked_up_once():
    resolver = Resolver(MODEL, SOURCES)
    assert resolver.features(FEATURE, "resid_post.1") is resolver.features(FEATURE, "resid_post.1")


def gated(**gate) -> SteerStep:
    return step(gate=SteerGate(**{"part": VECTOR, **gate}))


REFUSED = {
    "width": (step(VectorPart(name="short")), "direction does not fit the site: 3. resid_post.1 has width 32"),
    "name": (step(VectorPart(name="w")), "no vector is given under this name: 'w'"),
    "dictionary": (step(FeaturePart(dictionary="w", feature=0)), "a dictionary is needed under this name: 'w'"),
    "feature": (step(FeaturePart(dictionary="sae", feature=12)), r"no such feature: 12. Features are 0\.\.11"),
    "coded feature": (step(FeaturePart(dictionary="sae", feature=12), operation="clamp"), "no such feature: 12"),
    "narrow": (step(FeaturePart(dictionary="narrow", feature=0)), "dictionary does not fit the site: 8"),
    "layer": (step(sites=("resid_post.3",)), "no such layer or head: 'resid_post.3'"),
    "site": (step(sites=("stream.1",)), "no such site: 'stream.1'"),
    "attention": (step(sites=("pattern.1",)), "holds no vector for each token"),
    "head": (step(ComponentPart(layer=0, head=9, name="v"), sites=()), "no such layer or head: 'head.0.9'"),
    "two sites": (step(FEATURE, sites=("resid_post.1", "resid_post.2")), "a feature is of one site"),
    "zero": (step(VectorPart(name="zero"), operation="ablate"), "direction has no length"),
    "not measured": (step(unit="mean_norm"), "unit is not measured: 'mean_norm'"),
    "other sizes": (step(sites=("resid_post",), unit="mean_norm", unit_sizes=(1.0, 2.0)), "'2 for 3'"),
    "origin": (step(operation="project_clamp", origin="short"), "direction does not fit the site: 3"),
    "gate's name": (gated(part=VectorPart(name="w")), "no vector is given under this name: 'w'"),
    "gate's width": (gated(part=VectorPart(name="short")), "direction does not fit the site: 3"),
    "gate's feature": (gated(part=FeaturePart(dictionary="sae", feature=99)), "no such feature: 99"),
    "gate's site": (gated(site="resid_post.2"), "gate reads what is not there yet: 'resid_post.2'"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_fit_is_refused_in_one_line_before_any_pass(name):
    wrong, line = REFUSED[name]
    for given in (SteerSpec(steps=(wrong,)), [None, SteerSpec(steps=(wrong,))]):
        with pytest.raises(UsageError, match=line) as error:
            steer_by(MODEL, given, SOURCES)
        assert "\n" not in str(error.value) and not MODEL.in_use


def test_a_spec_for_another_model_is_refused_and_one_for_this_model_is_not():
    steer_by(MODEL, SteerSpec(steps=(step(),), model=MODEL.fingerprint), SOURCES)
    with pytest.raises(UsageError, match=r"spec is for another model: 'gpt2'\. It is for 000000000000, gpt2 is"):
        steer_by(MODEL, SteerSpec(model="0" * 64), SOURCES)
