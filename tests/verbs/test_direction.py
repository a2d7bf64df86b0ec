"""`mechlab direction KIND`: numbers are the library's, files open again, and what does not fit is one line."""

import pytest
import torch
from sae_lens import SAE
from safetensors.torch import load_file
from small_run import assert_refused, call

import mechlab
from mechlab.circuits.directions import KINDS
from mechlab.models.logit_lens import logit_lens
from mechlab.store.control_vector import read_control_vector

TALES = ("--cause", "season=winter", "--corpus", "tales", "--tokens", 12_000, "--most", 60)
FITTED = ("mean_difference", "--site", "resid_post.0", *TALES)


@pytest.fixture
def direction(model, tmp_path):
    """Return a call of the command with the tiny model."""

    def direction(*words, out="one.safetensors"):
        own = () if "--model" in words else ("--model", model)
        return call("direction", *words, *own, "--out", tmp_path / out)

    return direction


@pytest.fixture(scope="module")
def own(model):
    return mechlab.load(str(model), device="cpu")


@pytest.fixture(scope="module")
def winter(own):
    """Return winter's examples, by calls of the library."""
    text = mechlab.pack(mechlab.open_corpus("tales"), own.tokenizer, row_length=64, n_tokens=12_000)
    return mechlab.examples_of_tokens(own, "resid_post.0", text, "season=winter", most=60)


@pytest.mark.parametrize("kind", ["mean_difference", "logistic_probe"])
def test_a_fitted_direction_and_its_scores_are_the_librarys(direction, own, winter, tmp_path, kind):
    done = direction(kind, *FITTED[1:], "--json")
    assert done.code == 0, done.err
    wanted = mechlab.find_direction(kind, mechlab.DirectionMaterial(own, examples=winter))
    (found,) = mechlab.open_directions(tmp_path / "one.safetensors", own)
    assert torch.equal(found.vector, wanted.vector) and found.facts == wanted.facts
    assert done.data["facts"] == wanted.facts.model_dump(mode="json")
    assert (done.data["site"], done.data["scale"], done.data["kind"]) == ("resid_post.0", wanted.scale, kind)
    assert done.data["format"] == "safetensors" and done.data["facts"]["shuffled_auc"]["n"] == 20
    effects = logit_lens(own, wanted.scaled[None])[0]
    assert [one["token"] for one in done.data["raises"]] == effects.topk(8).indices.tolist()
    assert [one["token"] for one in done.data["lowers"]] == (-effects).topk(8).indices.tolist()
    assert done.data["raises"][0]["logit"] == pytest.approx(float(effects.max()), rel=1e-5)


def test_people_get_scores_beside_shuffled_labels_tokens_and_the_file(direction, monkeypatch, tmp_path):
    monkeypatch.setenv("COLUMNS", "160")
    done = direction(*FITTED)
    assert done.code == 0 and "{" not in done.out
    for said in ("AUC on held-out examples", "shuffled labels", "raises", "lowers", "share of", "fitted on"):
        assert said in done.out, said
    assert f"written: {tmp_path / 'one.safetensors'}" in done.out


def test_the_kinds_own_options_and_the_seed_reach_it(direction, own, winter):
    done = direction(*FITTED, "--held-out", 0.5, "--n-shuffles", 3, "--json").data
    wanted = mechlab.find_direction(
        "mean_difference", mechlab.DirectionMaterial(own, examples=winter), held_out=0.5, n_shuffles=3
    )
    assert done["facts"] == wanted.facts.model_dump(mode="json") and done["facts"]["shuffled_auc"]["n"] == 3
    seeds = [direction("random", "--site", "z.1", "--seed", n, "--json", out=f"{n}").data for n in (0, 4)]
    assert [one["facts"]["seed"] for one in seeds] == [0, 4] and "raises" not in seeds[0]
    longer = direction("random", "--site", "resid_post.1", "--length", 3.5, "--json", out="long").data
    assert longer["scale"] == pytest.approx(3.5)


def test_the_same_command_writes_the_same_bytes_and_replaces_a_file_only_if_told(direction, tmp_path):
    assert direction(*FITTED).code == direction(*FITTED, out="two.safetensors").code == 0
    one, two = ((tmp_path / f"{name}.safetensors").read_bytes() for name in ("one", "two"))
    assert one == two
    again = direction("random", "--site", "resid_post.0")
    assert (again.code, again.out) == (2, "") and "file exists" in again.line and "--overwrite" in again.line
    assert (tmp_path / "one.safetensors").read_bytes() == one
    assert direction("random", "--site", "resid_post.0", "--overwrite").code == 0
    assert (tmp_path / "one.safetensors").read_bytes() != one


def test_two_files_of_texts_are_read_at_their_last_tokens(direction, own, tmp_path):
    warm, cold = (
        [f"It was {season}. The {who} spoke of the" for who in ("children", "farmer", "king", "queen", "baker")]
        for season in ("summer", "winter")
    )
    for name, texts in (("warm", warm), ("cold", cold)):
        (tmp_path / f"{name}.txt").write_text("\n".join(texts) + "\n")
    files = ("--positive", tmp_path / "cold.txt", "--negative", tmp_path / "warm.txt", "--site", "resid_post.1")
    for kind, paired in (("mean_difference", False), ("pair_pca", True)):
        done = direction(kind, *files, *(["--paired"] if paired else []), "--json", out=kind)
        assert done.code == 0, done.err
        examples = mechlab.examples_of_texts(own, "resid_post.1", cold, warm, paired=paired)
        wanted = mechlab.find_direction(kind, mechlab.DirectionMaterial(own, examples=examples))
        (found,) = mechlab.open_directions(tmp_path / kind, own)
        assert torch.equal(found.vector, wanted.vector)


def test_prompt_pairs_are_read_at_a_role(direction, own, tmp_path):
    asked = ("--task", "ioi", "--prompts", 20, "--style", "tales", "--role", "S2", "--corruption", "abc")
    done = direction("pair_pca", "--site", "resid_post.0", *asked, "--json")
    assert done.code == 0, done.err
    pairs = mechlab.prompt_pairs(own.tokenizer, "ioi", n=20, seed=0, style="tales", corruption="abc")
    examples = mechlab.examples_of_pairs(own, "resid_post.0", pairs, "S2")
    wanted = mechlab.find_direction("pair_pca", mechlab.DirectionMaterial(own, examples=examples))
    assert torch.equal(mechlab.open_directions(tmp_path / "one.safetensors", own)[0].vector, wanted.vector)


def test_an_observable_is_handed_back_with_and_without_a_prompt(direction, own, tmp_path):
    observable = mechlab.word_difference(own.tokenizer, "she", "he")
    path = ("mlp.0", "head.1.0", "logits")
    words = ("observable", "--words", "she", "--against", "he")
    assert direction(*words).code == 0
    (found,) = mechlab.open_directions(tmp_path / "one.safetensors", own)
    wanted = mechlab.find_direction("observable", mechlab.DirectionMaterial(own), observable=observable)
    assert torch.equal(found.vector, wanted.vector) and found.site == "resid_post.1"
    prompt = "One day the queen"
    told = ("--path", ",".join(path), "--norms", "exact", "--prompt", prompt, "--positions", "2,2,4")
    assert direction(*words, *told, out="two").code == 0
    points = mechlab.prompt_points(own, own.to_tokens(prompt), path, (2, 2, 4))
    wanted = mechlab.find_direction(
        "observable", mechlab.DirectionMaterial(own, points=points), observable=observable, path=path, norms="exact"
    )
    (found,) = mechlab.open_directions(tmp_path / "two", own)
    assert torch.equal(found.vector, wanted.vector) and found.site == "resid_mid.0"


@pytest.mark.parametrize("named", [("--feature", "{}:3"), ("--dictionary", "{}", "--feature", "3")])
def test_a_feature_is_its_decoder_row_where_the_run_was_trained(direction, own, trained, tmp_path, named):
    done = direction("feature", *(word.format(trained[0]) for word in named), "--json")
    assert done.code == 0, done.err
    row = SAE.load_from_disk(trained[0] / "dictionary").W_dec[3].detach()
    (found,) = mechlab.open_directions(tmp_path / "one.safetensors", own)
    torch.testing.assert_close(found.scaled, row)
    assert done.data["site"] == "resid_post.0" and done.data["facts"]["details"] == {"feature": 3}


def test_the_best_feature_is_the_librarys_and_its_scoring_can_be_set(direction, own, trained, model):
    told = ("--dictionary", trained[0], "--corpus", "tales", "--tokens", 2000, "--json")
    done = direction("best_feature", *told, "--among", "1,2,3", "-s", "direction.scoring.prompt=One day")
    assert done.code == 0, done.err
    assert done.data["facts"]["details"]["n_tried"] == 3 and done.data["facts"]["details"]["feature"] in (1, 2, 3)
    drawn = direction("random_feature", "--dictionary", trained[0], "--seed", 5, "--json", out="two").data
    assert drawn["facts"]["seed"] == 5 and drawn["site"] == "resid_post.0"


def test_a_feature_of_transcoders_of_all_layers_writes_at_its_layer(direction, transcoders, tmp_path, own):
    told = ("--dictionary", ",".join(map(str, transcoders)), "--layer", 1, "--json")
    done = direction("feature", *told, "--feature", 2)
    assert done.code == 0, done.err
    row = load_file(transcoders[1] / "dictionary" / "sae_weights.safetensors")["W_dec"][2]
    (found,) = mechlab.open_directions(tmp_path / "one.safetensors", own)
    torch.testing.assert_close(found.scaled, row)
    assert found.site == "mlp_out.1"


def test_codes_and_components_follow_from_weights(direction, own, with_codebooks, tmp_path):
    folder, _ = with_codebooks
    done = direction("code", "--code", 4, "--site", "mlp_out.0", "--model", folder, "--json")
    assert done.code == 0, done.err
    wanted = mechlab.find_direction(
        "code", mechlab.DirectionMaterial(mechlab.open_codebook_model(folder, device="cpu"), "mlp_out.0"), code=4
    )
    assert done.data["scale"] == pytest.approx(wanted.scale)
    assert direction("component", "--layer", 1, "--head", 1, "--number", 2, "--side", "read", out="two").code == 0
    settings = {"layer": 1, "head": 1, "number": 2, "side": "read"}
    wanted = mechlab.find_direction("component", mechlab.DirectionMaterial(own), **settings)
    (found,) = mechlab.open_directions(tmp_path / "two", own)
    assert torch.equal(found.vector, wanted.vector) and found.site == "ln1_normalized.1"


def test_cosines_with_other_files_are_told_beside_chance(direction, own, tmp_path, monkeypatch):
    files = [tmp_path / f"{seed}" for seed in (1, 2)]
    for seed, file in enumerate(files, start=1):
        assert direction("random", "--site", "resid_post.0", "--seed", seed, out=file.name).code == 0
    done = direction(*FITTED, "--compare", ",".join(map(str, files)), "--json")
    assert done.code == 0, done.err
    (found,) = mechlab.open_directions(tmp_path / "one.safetensors", own)
    table = mechlab.compare_directions([found, *(mechlab.open_directions(file, own)[0] for file in files)])
    assert [one["cosine"] for one in done.data["cosines"]] == table.cosines[0, 1:].tolist()
    assert [one["p"] for one in done.data["cosines"]] == table.p[0, 1:].tolist()
    assert [one["file"] for one in done.data["cosines"]] == list(map(str, files))
    monkeypatch.setenv("COLUMNS", "160")
    assert "cosines with others" in direction(*FITTED, "--compare", files[0], out="x").out


def test_control_vectors_are_written_for_files_of_that_name_or_where_asked(direction, own, tmp_path):
    fitted = ("mean_difference", "--site", "resid_post.1", *TALES)
    assert direction(*fitted, "--json", out="one.gguf").data["format"] == "gguf"
    assert direction(*fitted, "--format", "gguf", out="two").code == direction(*fitted).code == 0
    assert (tmp_path / "one.gguf").read_bytes() == (tmp_path / "two").read_bytes()
    (wanted,) = mechlab.open_directions(tmp_path / "one.safetensors", own)
    (layer, vector) = next(iter(read_control_vector(tmp_path / "one.gguf").directions.items()))
    assert layer == 1 and torch.equal(vector, wanted.vector)
    assert direction(*fitted, "--format", "safetensors", "--overwrite", out="one.gguf").code == 0
    assert torch.equal(mechlab.open_directions(tmp_path / "one.gguf", own)[0].vector, wanted.vector)


SITE = ("--site", "resid_post.0")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("mean_diff",), ("unknown kind of direction", "mean_difference")),
        (("observable", "--words", "she her"), ("word is several tokens", "she her")),
        (("observable", "--words", "she", "--against", "xyzzy"), ("not in the vocabulary", "xyzzy")),
        (("observable",), ("needs words", "--words")),
        (("observable", "--words", "she", "--path", "mlp.0,logits"), ("MLP is linearised at no point",)),
        (("observable", "--words", "she", "--path", "head.9.9,logits"), ("no such stop", "head.9.9")),
        (("mean_difference", *TALES), ("needs a site", "--site")),
        (("mean_difference", "--site", "resid_post.9", *TALES), ("no such layer", "resid_post.9")),
        (("mean_difference", "--site", "residpost", *TALES), ("no such site", "residpost")),
        (("mean_difference", "--site", "pattern.0", *TALES), ("no vector for each token",)),
        (("mean_difference", *SITE), ("needs examples", "--cause")),
        (("mean_difference", *SITE, "--positive", "x.txt"), ("examples of one class only",)),
        (
            ("mean_difference", *SITE, "--cause", "season=snow", "--corpus", "tales"),
            ("no such value", "winter"),
        ),
        (
            ("mean_difference", *SITE, "--cause", "weather=cold", "--corpus", "tales"),
            ("no such label", "season"),
        ),
        (("mean_difference", *SITE, "--cause", "season=winter"), ("no corpus of its own", "--corpus")),
        (("mean_difference", *SITE, "--task", "iio"), ("unknown prompt-pair task",)),
        (("pair_pca", *SITE, *TALES, "--quiet"), ("not in pairs",)),
        (("feature",), ("feature is not named", "RUN:NUMBER")),
        (("feature", "--feature", "nowhere:3"), ("unknown run", "nowhere")),
        (("random_feature",), ("needs a dictionary", "--dictionary")),
        (("random_feature", "--dictionary", "a,b"), ("several dictionaries", "--layer")),
        (("code", "--code", "3", *SITE), ("no codebooks",)),
        (("component", "--layer", "1"), ("--head",)),
        (("component", "--layer", "1", "--head", "7"), ("7",)),
        (("random", *SITE, "--cause", "season=winter"), ("No such option", "--cause")),
        (("random", *SITE, "--compare", "nothing.safetensors"), ("nothing.safetensors",)),
        (("random", *SITE, "--format", "gguf"), ("no direction for these layers",)),
        (("random", "--site", "z.1", "--format", "gguf"), ("no place in a control vector", "z.1")),
    ],
)
def test_what_does_not_fit_is_one_line_and_leaves_nothing(direction, tmp_path, words, said):
    assert_refused(direction(*words), tmp_path / "one.safetensors", *said)


def test_examples_that_are_not_there_are_one_line(direction, tmp_path):
    (tmp_path / "none.txt").write_text("\n\n")
    (tmp_path / "some.txt").write_text("It was winter.\nIt was cold.\nThe king\n")
    files = ("--negative", tmp_path / "some.txt", "--positive")
    empty = direction("mean_difference", *SITE, *files, tmp_path / "none.txt")
    assert_refused(empty, tmp_path / "one.safetensors", "too few positive examples", 0)
    missing = direction("mean_difference", *SITE, *files, tmp_path / "missing.txt")
    assert_refused(missing, tmp_path / "one.safetensors", "missing.txt")


def test_features_that_are_not_there_and_those_of_another_model_are_one_line(direction, trained, tmp_path):
    unknown = direction("feature", "--feature", f"{trained[0]}:24")
    assert_refused(unknown, tmp_path / "one.safetensors", "no such feature", "0..23")
    other = direction("feature", "--feature", f"{trained[0]}:2", "--model", "tales")
    assert_refused(other, tmp_path / "one.safetensors", "of another model")
    assert direction("random", "--site", "resid_post.0", "--model", "tales", out="tales").code == 0
    foreign = direction("random", *SITE, "--compare", tmp_path / "tales")
    assert_refused(foreign, tmp_path / "one.safetensors", "direction is of another model")


def test_a_kind_a_file_to_write_and_no_folder_are_needed(direction, model, tmp_path):
    bare = call("direction")
    assert bare.code == 2 and "needs a kind of direction" in bare.line and "mean_difference" in bare.line
    done = call("direction", "random", *SITE, "--model", model)
    assert (done.code, done.out) == (2, "") and "needs --out" in done.line
    (tmp_path / "folder").mkdir()
    into = direction("random", *SITE, "--overwrite", out="folder")
    assert into.code == 2 and "--out is a folder" in into.line


def test_every_kind_is_a_command_with_its_own_options():
    for kind in KINDS:
        shown = call("direction", kind, "--help")
        assert shown.code == 0, shown.err
        own = KINDS[kind].model_fields.keys() - {"observable", "scoring"}
        assert not [name for name in own if f"--{name.replace('_', '-')}" not in shown.out], kind
    assert "-s direction.scoring.KEY" in call("direction", "best_feature", "--help").out
