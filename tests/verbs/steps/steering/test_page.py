"""The page of a comparison holds what was measured: every way, its doses and its front."""

import json
import re
from html import unescape

import pytest
from verbs.steered_by import direction_file

from mechlab.core.progress import SILENT
from mechlab.metrics.dose_response import front, monotone
from mechlab.verbs.steer_options import SteerOptions
from mechlab.verbs.steps.steering.page import steering_page
from mechlab.verbs.steps.steering.run import concept_of, raced, samples_of
from mechlab.verbs.steps.steering.subject import open_steered


@pytest.fixture(scope="module")
def made(model, tmp_path_factory):
    file = direction_file(model, tmp_path_factory.mktemp("d") / "d.safetensors")
    known = {"corpus": "tales", "tokens": 6, "texts": 3, "ladder": (0.5, 1.0), "most_increase": 9.0, "compare": True}
    config = SteerOptions(prompt="One day", model=str(model), device="cpu", direction=file, concept="e", **known)
    steered = open_steered(config, SILENT)
    outcomes = raced(config, steered, concept_of(config), SILENT)
    samples = samples_of(config, steered)
    return config, steered, samples, outcomes


def data_of(page):
    return json.loads(re.search(r'id="steering-data">(.*?)</script>', page, re.DOTALL)[1])


def test_every_way_stands_in_it_as_it_was_measured(made):
    config, steered, samples, outcomes = made
    data = data_of(steering_page(config, steered, "0" * 16, samples, outcomes))
    assert [way["name"] for way in data["ways"]] == ["as asked", "random direction"]
    for way, outcome in zip(data["ways"], outcomes, strict=True):
        assert way["trend"] == monotone(outcome.tried) and way["taken"] == outcome.taken
        assert way["front"] == [outcome.tried[place].strength for place in front(outcome.tried)]
        assert [one["concept"]["value"] for one in way["tried"]] == [one.text.concept.value for one in outcome.tried]
        assert way["fresh"]["distinct"] == outcome.fresh.text.distinct[2]
        costs = outcome.costs
        assert way["kl_nats"] == (None if costs is None else costs.kl_nats.model_dump())
    assert data["own"]["concept"]["value"] == outcomes[0].own.text.concept.value and data["n_texts"] == 3


def test_without_a_concept_it_says_how_to_get_one(made):
    config, steered, samples, _ = made
    page = steering_page(config.model_copy(update={"concept": None}), steered, "0" * 16, samples, ())
    assert data_of(page)["ways"] == [] and "Give --concept" in page


def test_its_command_writes_on_by_the_spec_of_the_run(made):
    config, steered, samples, outcomes = made
    page = unescape(steering_page(config, steered, "0123456789abcdef", samples, outcomes))
    assert f'mechlab steer "One day" --model {config.model} --spec runs/steer-tiny-01234567/spec.json --seed 1' in page
