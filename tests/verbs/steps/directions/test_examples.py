"""Examples are those that the library reads from the same texts, labels and prompts."""

import json

import pytest
import torch

import mechlab
from mechlab.core.config import build
from mechlab.core.errors import UnknownName, UsageError
from mechlab.core.progress import SILENT
from mechlab.models.huggingface import HuggingFaceModel
from mechlab.verbs.direction_options import DirectionOptions
from mechlab.verbs.steps.directions.examples import asked_examples, text_rows

SITE = "resid_post.0"


@pytest.fixture(scope="module")
def own(model):
    return mechlab.load(str(model), device="cpu")


def options(**values) -> DirectionOptions:
    return build(DirectionOptions, {"corpus": "tales", "tokens": 6000, **values})


def assert_alike(found, wanted):
    assert torch.equal(found.vectors, wanted.vectors) and torch.equal(found.positive, wanted.positive)
    assert torch.equal(found.groups, wanted.groups) and found.paired == wanted.paired


@pytest.mark.parametrize("label", ["season=winter", ("season=winter", "season=summer")])
def test_labelled_tokens(own, label):
    config = options(cause=[label] if isinstance(label, str) else label, most=20, seed=3)
    text = mechlab.pack(mechlab.open_corpus("tales", seed=3), own.tokenizer, row_length=64, n_tokens=6000)
    wanted = mechlab.examples_of_tokens(own, SITE, text, label, most=20, seed=3)
    assert_alike(asked_examples(config, own, SITE, SILENT), wanted)


def test_files_of_texts_of_several_formats(own, tmp_path):
    up, down = ["It was winter.", "It was cold."], ["It was summer.", "It was warm.", "The king"]
    (tmp_path / "up.txt").write_text("\n".join([up[0], up[1]]) + "\n")
    (tmp_path / "down.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in (*down, "")))
    config = options(positive=tmp_path / "up.txt", negative=tmp_path / "down.jsonl")
    assert_alike(asked_examples(config, own, SITE, SILENT), mechlab.examples_of_texts(own, SITE, up, down))


def test_prompt_pairs_in_the_wording_asked_for(own):
    config = options(task="ioi", prompts=8, style="tales", role="S1", seed=2)
    pairs = mechlab.prompt_pairs(own.tokenizer, "ioi", n=8, seed=2, style="tales")
    assert_alike(asked_examples(config, own, SITE, SILENT), mechlab.examples_of_pairs(own, SITE, pairs, "S1"))
    with pytest.raises(UnknownName, match="no such role"):
        asked_examples(options(task="ioi", prompts=8, style="tales", role="S9"), own, SITE, SILENT)


def test_what_cannot_be_read_is_refused(own):
    with pytest.raises(UsageError, match=r"mean_difference needs examples. Give --positive"):
        asked_examples(options(), own, SITE, SILENT)
    with pytest.raises(UsageError, match="examples need a tokenizer"):
        asked_examples(options(task="ioi"), HuggingFaceModel(own.module), SITE, SILENT)
    with pytest.raises(UsageError, match="no corpus of its own"):
        text_rows(build(DirectionOptions, {"model": "elsewhere"}), own, SILENT)


def test_rows_are_no_longer_than_the_model_reads(own):
    assert text_rows(options(tokens=300), own, SILENT).tokens.shape[1] == own.spec.n_ctx == 64
