"""A kind's settings come from its own keys and the verb's; files are refused, replaced and chosen by their name."""

import pytest

import mechlab
from mechlab.core.config import build
from mechlab.core.errors import UsageError
from mechlab.core.progress import SILENT
from mechlab.verbs.direction_options import DirectionOptions
from mechlab.verbs.steps.directions.finding import found_direction, kind_settings, refuse_taken, save


@pytest.fixture(scope="module")
def own(model):
    return mechlab.load(str(model), device="cpu")


def options(**values) -> DirectionOptions:
    return build(DirectionOptions, {"kind": "random", "site": "resid_post.1", "device": "cpu", **values})


def test_settings_are_the_kinds_own_with_the_verbs_seed_feature_and_words(own):
    assert kind_settings(options(seed=4, direction={"length": 2.0}), own) == {"length": 2.0, "seed": 4}
    assert kind_settings(options(kind="feature", feature="run:3"), own) == {"feature": 3}
    found = kind_settings(options(kind="observable", words="she", against="he", direction={"norms": "skip"}), own)
    wanted = mechlab.word_difference(own.tokenizer, "she", "he")
    assert found["norms"] == "skip" and found["observable"].vector(own.spec.d_vocab).equal(
        wanted.vector(own.spec.d_vocab)
    )
    summed = kind_settings(options(kind="observable", words="(?i) ?she", regex=True, combine="sum"), own)["observable"]
    assert summed.weights == (1.0, 1.0) and "seed" not in found
    assert kind_settings(options(kind="component", direction={"layer": 1, "head": 0}), own) == {"layer": 1, "head": 0}


def test_taken_files_are_refused_before_anything_is_loaded(tmp_path):
    taken = tmp_path / "taken"
    taken.write_text("mine")
    with pytest.raises(UsageError, match="file exists"):
        refuse_taken(options(out=taken))
    assert refuse_taken(options(out=taken, overwrite=True)) == taken
    assert refuse_taken(options(out=tmp_path / "free")) == tmp_path / "free"
    with pytest.raises(UsageError, match="--out is a folder"):
        refuse_taken(options(out=tmp_path, overwrite=True))
    with pytest.raises(UsageError, match="needs --out"):
        refuse_taken(options())


def test_the_direction_stands_first_among_those_it_is_compared_with(model, own, tmp_path):
    others = [found_direction(options(model=str(model), seed=seed), SILENT) for seed in (1, 2)]
    mechlab.save_directions(tmp_path / "both", own, [one.direction for one in others])
    found = found_direction(options(model=str(model), compare=[tmp_path / "both"]), SILENT)
    assert found.files == (tmp_path / "both", tmp_path / "both") and found.table is not None
    assert found.table.names == tuple(f"random {seed} at resid_post.1" for seed in (0, 1, 2))
    assert others[0].table is None and others[0].files == ()


def test_the_format_is_that_asked_for_or_that_of_the_name(model, tmp_path):
    found = found_direction(options(model=str(model)), SILENT)
    written = {
        name: save(options(**asked), found, tmp_path / name)
        for name, asked in {"a.gguf": {}, "b": {}, "c": {"format": "gguf"}, "d.gguf": {"format": "safetensors"}}.items()
    }
    assert written == {"a.gguf": "gguf", "b": "safetensors", "c": "gguf", "d.gguf": "safetensors"}
    assert (tmp_path / "a.gguf").read_bytes() == (tmp_path / "c").read_bytes()
    assert (tmp_path / "b").read_bytes() == (tmp_path / "d.gguf").read_bytes()
    assert (tmp_path / "a.gguf").read_bytes()[:4] == b"GGUF"


def test_a_run_with_codebooks_is_opened_with_them(with_codebooks):
    found = found_direction(
        options(kind="code", site="mlp_out.0", model=str(with_codebooks[0]), direction={"code": 2}), SILENT
    )
    book = found.model.codebook_at("mlp_out.0")
    assert found.direction.kind == "code" and found.direction.facts.details == {"code": 2}
    assert book.config.n_codes == 20 and found.direction.site == "mlp_out.0"
