"""A fitted direction is scored on what it has not seen, beside fits on labels that say nothing."""

from dataclasses import replace
from typing import ClassVar

import pytest
import torch
from circuits.directions.planted import SITE, planted, planted_direction
from oracles.tiny_models import D_MODEL, tiny
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from mechlab.circuits.directions.examples import Examples
from mechlab.circuits.directions.fitting import Fit, FittedKind
from mechlab.circuits.directions.holding_out import held_out
from mechlab.circuits.directions.material import DirectionMaterial
from mechlab.circuits.directions.mean_difference import MeanDifference
from mechlab.core.errors import UsageError
from mechlab.models.huggingface import HuggingFaceModel

MODEL = HuggingFaceModel(tiny("gpt2"))


def material(examples: Examples) -> DirectionMaterial:
    return DirectionMaterial(MODEL, SITE, replace(examples, model=MODEL.fingerprint))


class Planted(FittedKind):
    """A kind that knows the answer, three times as long, and keeps what it was shown."""

    kind: ClassVar[str] = "planted"
    seen: ClassVar[list[Examples]] = []

    def fit(self, examples: Examples) -> Fit:
        self.seen.append(examples)
        return Fit(3 * planted_direction())


class Nothing(FittedKind):
    kind: ClassVar[str] = "nothing"

    def fit(self, examples: Examples) -> Fit:
        return Fit(torch.zeros(D_MODEL))


def test_it_is_fitted_without_the_held_out_examples_and_scored_on_them_alone():
    examples, Planted.seen[:] = planted(40, shift=2.0), []
    found = Planted(held_out=0.25, n_shuffles=0).find(material(examples))
    fitted, scored = held_out(examples, 0.25, 0)
    assert len(Planted.seen) == 1 and torch.equal(Planted.seen[0].vectors, fitted.vectors)
    values = scored.vectors.double() @ found.vector.double()
    means = [
        (fitted.vectors[own].double() @ found.vector.double()).mean() for own in (fitted.positive, ~fitted.positive)
    ]
    assert found.facts.auc.value == pytest.approx(roc_auc_score(scored.positive, values))
    called = (values > sum(means) / 2).numpy()
    assert found.facts.balanced_accuracy.value == pytest.approx(balanced_accuracy_score(scored.positive, called))
    assert found.scale == pytest.approx(float(means[0] - means[1]), rel=1e-5)
    assert (found.facts.n_positive, found.facts.n_negative, found.facts.auc.n) == (30, 30, 20)
    assert found.facts.shuffled_auc is None and found.name == "planted at resid_post.1"


def test_a_planted_direction_stands_out_from_shuffled_labels_and_noise_does_not():
    there = MeanDifference().find(material(planted(40, shift=3.0))).facts
    assert there.auc.low > 0.85 and there.shuffled_p == pytest.approx(1 / 21)
    assert there.shuffled_auc.low < 0.5 < there.shuffled_auc.high and there.shuffled_auc.n == 20
    absent = [MeanDifference().find(material(planted(40, shift=0.0, seed=seed))).facts for seed in range(8)]
    assert sum(one.shuffled_p for one in absent) / 8 > 0.25
    assert abs(sum(one.auc.value for one in absent) / 8 - 0.5) < 0.12
    assert abs(sum(one.shuffled_auc.value for one in absent) / 8 - 0.5) < 0.1


def test_with_nothing_held_out_all_are_fitted_and_nothing_is_claimed():
    found = MeanDifference(held_out=0).find(material(planted(2)))
    assert found.facts.n_positive == 2 and found.facts.auc is None and found.facts.shuffled_p is None


def test_equal_seeds_give_equal_directions_and_scores():
    examples = planted(12, shift=1.0)
    one, again, other = (MeanDifference(seed=seed).find(material(examples)) for seed in (3, 3, 4))
    assert torch.equal(one.vector, again.vector) and one.facts == again.facts
    assert not torch.equal(one.vector, other.vector) and one.facts.seed == 3


def test_examples_that_point_nowhere_or_are_missing_are_refused():
    with pytest.raises(UsageError, match=r"examples point nowhere: 'resid_post\.1'"):
        Nothing().find(material(planted(10)))
    same = replace(planted(10), vectors=torch.ones(20, D_MODEL))
    with pytest.raises(UsageError, match="point nowhere"):
        MeanDifference().find(material(same))
    with pytest.raises(UsageError, match="without this: 'examples'"):
        MeanDifference().find(DirectionMaterial(MODEL, SITE))
    with pytest.raises(UsageError, match="too few independent examples"):
        MeanDifference().find(material(planted(3)))
