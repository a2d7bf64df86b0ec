"""A comparison's id depends on all that its bytes depend on; its texts are drawn alike."""

import pytest
from verbs.steered_by import direction_file

from mechlab.core.progress import SILENT
from mechlab.metrics.concepts import Pattern
from mechlab.metrics.judged import Judged
from mechlab.store.answers_file import write_answers
from mechlab.verbs.steer_options import SteerOptions
from mechlab.verbs.steps.steering.run import concept_of, identity_of, metrics_of, raced, samples_of
from mechlab.verbs.steps.steering.subject import open_steered


@pytest.fixture(scope="module")
def files(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("d")
    return [direction_file(model, folder / f"{seed}.safetensors", seed) for seed in (0, 1)]


def options(model, files, which=0, prompt="One day", **given):
    known = {"corpus": "tales", "compare": True, "tokens": 6, "texts": 2, "ladder": (1.0,), **given}
    return SteerOptions(prompt=prompt, model=str(model), device="cpu", direction=files[which], **known)


def run_id(config):
    return identity_of(config, open_steered(config, SILENT)).run_id()


def test_the_id_changes_with_what_changes_the_bytes(model, files):
    changes = (
        {"strength": 2.0},
        {"tokens": 7},
        {"temperature": 0.5},
        {"seed": 1},
        {"concept": "the"},
        {"concept": "the", "judge": "tales"},
        {"also": ("It",)},
        {"operation": "ablate"},
        {"which": 1},
        {"prompt": "Once"},
    )
    ids = {run_id(options(model, files)), *(run_id(options(model, files, **change)) for change in changes)}
    assert len(ids) == 1 + len(changes)


def test_the_id_stays_where_only_places_differ(model, files, tmp_path):
    copy = tmp_path / "copy.safetensors"
    copy.write_bytes(files[0].read_bytes())
    assert run_id(options(model, [copy])) == run_id(options(model, files, out=tmp_path, threads=1))


def test_texts_of_all_prompts_are_drawn_alike(model, files):
    config = options(model, files, also=("It was",), strength=0)
    first, second = samples_of(config, open_steered(config, SILENT))
    assert first.before == first.after == first.control and second.prompt == "It was"


def test_metrics_tell_every_way_beside_the_model_as_it_is(model, files):
    config = options(model, files, concept="e", most_increase=9.0)
    found = metrics_of(raced(config, open_steered(config, SILENT), concept_of(config), SILENT))
    assert found["concept.as_it_is"].n == 2 and found["strength.random_direction"] in (0, 1)
    assert {"concept.as_asked", "nll_increase.as_asked", "concept.random_direction"} <= found.keys()
    assert metrics_of(()) == {}


def test_a_concept_is_a_pattern_or_a_question_to_a_judge(model, files, tmp_path):
    write_answers(tmp_path / "answers.json", {})
    assert concept_of(options(model, files)) is None
    assert concept_of(options(model, files, concept="the")) == Pattern("the")
    judged = concept_of(options(model, files, concept="Is it cold?", judge=str(tmp_path / "answers.json")))
    assert isinstance(judged, Judged) and judged.question == "Is it cold?"
