"""`mechlab steer` as it is typed: texts as the library steers them, comparisons as runs, one line for bad input."""

import json

import pytest
import torch
from small_run import FEATURES, call
from verbs.steered_by import direction_file, spec_file, vector

from mechlab.core.randomness import torch_generator
from mechlab.interventions.steering.feature_direction import feature_direction
from mechlab.interventions.steering.steer import steer
from mechlab.models.loaders import load
from mechlab.store.run import open_run
from mechlab.verbs.steps.stored import stored_dictionary

PROMPT = "One day Mary"
SHORT = ("--tokens", 8, "--device", "cpu")


def by_hand(model, site, direction, strength, temperature=1.0):
    """Return the text that the library writes with a vector added."""
    own = load(str(model), device="cpu")
    prompt = own.to_tokens(PROMPT)
    generator = torch_generator(0, "generation") if temperature else None
    with steer(own, site, direction, strength):
        rows = own.generate(prompt, 8, temperature=temperature, generator=generator)
    texts = [
        own.to_text(torch.tensor([[token for token in row if token not in own.special_ids]]))[0]
        for row in (rows[0].tolist(), prompt[0].tolist())
    ]
    return texts[0][len(texts[1]) :]


@pytest.mark.parametrize("temperature", [0, 1])
def test_a_text_is_steered_by_a_direction_and_shown_as_it_grows(model, tmp_path, temperature):
    file = direction_file(model, tmp_path / "d.safetensors")
    asked = ("steer", PROMPT, "--model", model, "--direction", file, "--strength", 2, "--temperature", temperature)
    done = call(*asked, *SHORT, "--json")
    assert done.code == 0, done.err
    assert done.data["text"] == by_hand(model, "resid_post.0", vector(), 2.0, temperature)
    assert temperature or done.data["text"] != by_hand(model, "resid_post.0", vector(), 0.0, temperature)
    shown = call(*asked, *SHORT)
    assert shown.out.startswith(PROMPT) and shown.out.rstrip("\n").endswith(done.data["text"].rstrip("\n"))


def test_a_text_is_steered_by_a_feature_of_a_run(model, trained):
    run, _ = trained
    done = call("steer", PROMPT, "--model", model, "--feature", f"{run}:3", "--strength", 2, *SHORT, "--json")
    assert done.code == 0, done.err
    direction = feature_direction(stored_dictionary(open_run(run)), 3, unit=False)
    assert done.data["text"] == by_hand(model, "resid_post.0", direction, 2.0)
    assert done.data["spec"]["steps"][0]["sites"] == ["resid_post.0"]


def test_a_text_is_steered_by_a_spec_with_its_vectors_beside_it(model, tmp_path):
    done = call("steer", PROMPT, "--model", model, "--spec", spec_file(model, tmp_path, strength=4.0), *SHORT, "--json")
    assert done.data["text"] == by_hand(model, "resid_post.0", vector(), 4.0)
    half = call(
        *("steer", PROMPT, "--model", model, "--spec", tmp_path / "spec.json", "--strength", 0.5, *SHORT, "--json")
    )
    assert half.data["text"] == by_hand(model, "resid_post.0", vector(), 2.0)


def test_a_unit_is_measured_on_the_text(model, tmp_path):
    file = direction_file(model, tmp_path / "d.safetensors")
    asked = ("steer", PROMPT, "--model", model, "--direction", file, "--unit", "mean_norm", *SHORT)
    done = call(*asked, "--corpus", "tales", "--json")
    (size,) = done.data["spec"]["steps"][0]["unit_sizes"]
    assert done.data["text"] == by_hand(model, "resid_post.0", vector() / vector().norm() * size, 1.0)
    assert call(*asked).line == "error: a unit has to be measured on text: 'mean_norm'. Give --corpus."


@pytest.fixture(scope="module")
def compared(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("steer")
    file, out = direction_file(model, folder / "d.safetensors"), folder / "run"
    asked = ("steer", PROMPT, "--model", model, "--direction", file, "--strength", 4, "--compare", "--also", "It was")
    more = ("--concept", "the|and|a", "--texts", 3, "--ladder", "0.5,1", "--say", "Once.", "--corpus", "tales")
    more = (*more, "--temperature", 0)
    done = call(*asked, *more, *SHORT, "--most-increase", 9, "--out", out, "--json")
    assert done.code == 0, done.err
    return (*asked, *more, *SHORT, "--most-increase", 9), out, done


def test_a_comparison_is_a_run_with_texts_ways_spec_and_page(compared, model):
    _, out, done = compared
    run = open_run(out)
    assert run.verify() == [] and {"spec.json", "spec.safetensors", "report.html"} <= run.manifest.files.keys()
    first, second = done.data["samples"]
    assert first["after"] == by_hand(model, "resid_post.0", vector(), 4.0, 0)
    assert first["before"] == by_hand(model, "resid_post.0", vector(), 0.0, 0)
    assert second["prompt"] == "It was" and first["control"] not in ("", first["after"])
    names = [way["way"] for way in done.data["ways"]]
    assert names == ["as asked", "random direction", "prompting"]
    assert [dose["strength"] for dose in done.data["ways"][0]["tried"]] == [0.0, 0.5, 1.0]
    assert run.manifest.metrics["concept.as_asked"].n == 6
    page = (out / "report.html").read_text()
    assert "Steered by pushed" in page and first["after"].strip()[:8] in page


def test_the_same_comparison_is_found_again_and_another_gets_another_id(compared, tmp_path):
    asked, out, done = compared
    again = call(*asked, "--out", out, "--json")
    assert again.data["id"] == done.data["id"] and "already there" in again.err
    other = call(*asked, "--seed", 1, "--out", tmp_path / "other", "--json")
    assert other.data["id"] != done.data["id"]


def test_the_spec_of_a_comparison_steers_again(compared, model):
    _, out, done = compared
    likeliest = ("--temperature", 0, "--json")
    again = call("steer", PROMPT, "--model", model, "--spec", out / "spec.json", *SHORT, *likeliest)
    assert again.data["text"] == done.data["samples"][0]["after"]


def test_a_judge_s_answers_are_kept_and_judge_again(model, tmp_path):
    file = direction_file(model, tmp_path / "d.safetensors")
    asked = ("steer", PROMPT, "--model", model, "--direction", file, "--compare", "--corpus", "tales", *SHORT)
    question = ("--concept", "Is it cold?", "--texts", 2, "--ladder", "1", "--most-increase", 9)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(
            "mechlab.verbs.steps.steering.judges.url_judge", lambda address: lambda question, text: len(text) % 3 / 2
        )
        done = call(*asked, *question, "--judge", "http://127.0.0.1:1/v1", "--out", tmp_path / "one", "--json")
    assert done.code == 0, done.err
    kept = tmp_path / "one" / "answers.json"
    again = call(*asked, *question, "--judge", kept, "--out", tmp_path / "two", "--json")
    assert again.code == 0 and again.data["ways"] == done.data["ways"]
    lost = call(*asked, *question, "--seed", 5, "--judge", kept, "--out", tmp_path / "three")
    assert lost.code == 2 and "no recorded answer for a text" in lost.err and not (tmp_path / "three").exists()


def test_show_lists_texts_and_ways(compared):
    _, out, done = compared
    shown = call("show", out, "--json")
    assert shown.data["samples"] == done.data["samples"] and shown.data["ways"] == done.data["ways"]
    assert "random direction" in call("show", out).out


def test_features_have_another_feature_beside_them(model, trained, tmp_path):
    run, _ = trained
    out = tmp_path / "run"
    asked = ("steer", PROMPT, "--model", model, "--feature", f"{run}:3", "--unit", "max_activation", "--compare")
    more = ("--concept", "the", "--texts", 2, "--ladder", "1", "--corpus", "tales", "--most-increase", 9)
    done = call(*asked, *more, *SHORT, "--out", out, "--json")
    assert done.code == 0, done.err
    assert [way["way"] for way in done.data["ways"]] == ["as asked", "random direction", "random feature"]
    spec = json.loads((out / "spec.json").read_text())
    assert spec["steps"][0]["unit_sizes"][0] > 0


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("--feature", "{run}:99"), f"no such feature: 99. Features are 0..{FEATURES - 1}."),
        (("--feature", "3"), "feature is not named: '3'. Write RUN:NUMBER"),
        (("--feature", "{run}:3", "--strength", "nan"), "nan"),
        (("--feature", "{run}:3", "--site", "resid_post.7"), "resid_post.7"),
        (("--direction", "{folder}/none.safetensors"), "none.safetensors"),
        (("--spec", "{folder}/none.json"), "steering spec cannot be read"),
        (("--direction", "{folder}/d.safetensors", "--operation", "clamp"), "operation is not made with a vector"),
        (("--direction", "{folder}/d.safetensors", "--tokens", "999"), "context"),
        ((), "steer by one thing: 'nothing'"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(model, trained, tmp_path, given, said):
    direction_file(model, tmp_path / "d.safetensors")
    words = [word.format(run=trained[0], folder=tmp_path) for word in given]
    done = call("steer", PROMPT, "--model", model, "--device", "cpu", *words)
    assert done.code == 2 and said in done.line and done.out == ""
    assert [one.name for one in tmp_path.iterdir()] == ["d.safetensors"]


def test_a_checkpoint_with_the_steering_in_its_weights_writes_the_same_text(model, tmp_path):
    file, into = direction_file(model, tmp_path / "d.safetensors"), tmp_path / "steered"
    asked = ("steer", PROMPT, "--model", model, "--direction", file, "--strength", 2, "--temperature", 0, *SHORT)
    done = call(*asked, "--into", into, "--json")
    assert done.code == 0, done.err
    assert done.data["text"] == by_hand(into, "resid_post.0", vector(), 0.0, temperature=0.0)
    assert done.data["text"] != by_hand(model, "resid_post.0", vector(), 0.0, temperature=0.0)
    assert call(*asked, "--into", into).line == f"error: output folder exists: '{into}'. Give another --into."
    other = call(*asked, "--within", "decoded", "--into", tmp_path / "other")
    assert other.code == 2 and "a gate or a span depends on the token" in other.line and other.out == ""
    assert sorted(one.name for one in tmp_path.iterdir()) == ["d.safetensors", "steered"]


def test_a_direction_of_another_model_is_refused(model, tmp_path):
    file = direction_file(model, tmp_path / "d.safetensors")
    done = call("steer", PROMPT, "--model", "tales", "--direction", file)
    assert done.code == 2 and "direction is of another model: 'pushed'" in done.line
