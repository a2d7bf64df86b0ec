"""The best feature is the one with the highest output score among those asked for."""

from dataclasses import replace

import pytest
import torch
from circuits.directions.pieces import D_SAE, material

from mechlab.circuits.directions.best_feature import BestFeature
from mechlab.circuits.directions.feature import FeatureDirection, feature_rows
from mechlab.circuits.directions.output_scores import OutputScoring, output_scores
from mechlab.core.errors import UsageError

SCORING = OutputScoring(prompt="From my experience,", factor=3.0, n_top=4)


def test_it_has_the_highest_score_and_the_feature_s_own_direction():
    plain = material()
    _, rows = feature_rows(plain, range(D_SAE))
    scores = output_scores(plain.model, plain.site, rows, plain.largest, SCORING)
    found = BestFeature(scoring=SCORING).find(plain)
    best = int(scores.argmax())
    assert found.facts.details["feature"] == best and found.facts.details["n_tried"] == D_SAE
    assert found.facts.details["output_score"] == pytest.approx(float(scores[best]))
    assert found.facts.details["largest"] == pytest.approx(float(plain.largest[best]))
    assert torch.equal(found.vector, FeatureDirection(feature=best).find(plain).vector)
    others = tuple(int(one) for one in scores.argsort(descending=True)[2:6].flip(0))
    assert BestFeature(among=others, scoring=SCORING).find(plain).facts.details["feature"] == others[-1]


def test_without_features_or_activations_there_is_none():
    plain = material()
    with pytest.raises(UsageError, match="no features to choose from"):
        BestFeature(among=()).find(plain)
    with pytest.raises(UsageError, match="no such feature: 99"):
        BestFeature(among=(99,)).find(plain)
    with pytest.raises(UsageError, match="largest activations are of other features: 5"):
        BestFeature().find(replace(plain, largest=torch.ones(5)))
    with pytest.raises(UsageError, match="none of the features fires: 24"):
        BestFeature().find(replace(plain, largest=torch.zeros(D_SAE)))
    with pytest.raises(UsageError, match="without this: 'largest'"):
        BestFeature().find(replace(plain, largest=None))
