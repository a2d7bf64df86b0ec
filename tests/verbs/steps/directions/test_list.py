"""Tables of a direction: what it scores beside shuffled labels, what it does to logits, cosines beside chance."""

from pathlib import Path

import pytest
import torch

import mechlab
from mechlab.circuits.directions.comparing import compare_directions
from mechlab.circuits.directions.direction import directed
from mechlab.core.config import build
from mechlab.core.estimate import Estimate
from mechlab.verbs.direction_options import DirectionOptions
from mechlab.verbs.steps.directions.finding import FoundDirection
from mechlab.verbs.steps.directions.list import direction_outcome, moved_tokens

OUT = Path("winter.safetensors")
SCORES = {
    "auc": Estimate(value=0.9, low=0.8, high=0.95, n=40),
    "balanced_accuracy": Estimate(value=0.8, low=0.7, high=0.9, n=40),
    "shuffled_auc": Estimate(value=0.5, low=0.4, high=0.6, n=20),
    "shuffled_p": 1 / 21,
    "n_positive": 70,
    "n_negative": 80,
}


@pytest.fixture(scope="module")
def own(model):
    return mechlab.load(str(model), device="cpu")


def drawn(own, site: str, seed: int = 0, width: int = 16, **facts):
    vector = 3 * torch.randn(width, generator=torch.Generator().manual_seed(seed))
    return directed(own, site, vector, "mean_difference", f"number {seed}", **facts)


def outcome(found: FoundDirection, **options):
    return direction_outcome(build(DirectionOptions, {"out": OUT, **options}), found, "safetensors")


def test_scores_stand_beside_shuffled_labels(own):
    told = outcome(FoundDirection(own, drawn(own, "resid_post.1", **SCORES)))
    facts, scores, tokens = told.tables
    assert ("fitted on", "70 that have it, 80 that have not") in facts.rows
    assert [row[0] for row in scores.rows] == [
        "AUC on held-out examples",
        "balanced accuracy on held-out examples",
        "AUC of fits on shuffled labels",
    ]
    assert [row[3] for row in scores.rows] == ["40", "40", "20"] and "0.048" in scores.note
    assert len(tokens.rows) == 8 and told.lines == (f"written: {OUT}",)
    assert told.data["facts"]["auc"]["value"] == 0.9 and told.data["out"] == str(OUT)


def test_tokens_are_those_the_direction_moves_at_its_length(own):
    direction = drawn(own, "mlp_out.0")
    told = outcome(FoundDirection(own, direction), top=3)
    weights = own.weights()
    vector = direction.scale * direction.vector.double()
    effects = ((vector - vector.mean()) * weights.ln_final_w.double()) @ weights.W_U.double()
    assert [one["token"] for one in told.data["raises"]] == effects.topk(3).indices.tolist()
    assert [one["token"] for one in told.data["lowers"]] == (-effects).topk(3).indices.tolist()
    assert [one["logit"] for one in told.data["lowers"]] == pytest.approx(
        (-(-effects).topk(3).values).tolist(), rel=1e-4
    )
    assert [row[0] for row in told.tables[-1].rows] == [one["text"].strip() for one in told.data["raises"]]


def test_outside_the_stream_no_logits_are_told(own):
    found = FoundDirection(own, drawn(own, "mlp_post.0", width=64))
    assert moved_tokens(found, 5) == {}
    told = outcome(found)
    assert len(told.tables) == 1 and "not in the residual stream" in told.lines[0] and "raises" not in told.data


def test_cosines_name_their_file_and_chance(own):
    one, *others = (drawn(own, "resid_post.1", seed) for seed in range(3))
    table = compare_directions([one, *others])
    told = outcome(FoundDirection(own, one, (Path("a"), Path("b")), table))
    assert [(row["file"], row["name"]) for row in told.data["cosines"]] == [("a", "number 1"), ("b", "number 2")]
    wanted = [float(one.vector.double() @ other.vector.double()) for other in others]
    assert [row["cosine"] for row in told.data["cosines"]] == pytest.approx(wanted)
    cosines = told.tables[-1]
    assert cosines.title == "cosines with others" and "0.203" in cosines.note and len(cosines.rows) == 2
