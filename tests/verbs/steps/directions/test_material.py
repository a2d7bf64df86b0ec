"""What a kind needs is gathered from the options, and a feature is named in either of two ways."""

import pytest
import torch

import mechlab
from mechlab.core.config import build
from mechlab.core.errors import UsageError
from mechlab.core.progress import SILENT
from mechlab.interventions.transcoder_set import TranscoderSet
from mechlab.verbs.direction_options import DirectionOptions
from mechlab.verbs.steps.directions.material import gathered, named_feature

TEXT = {"corpus": "tales", "tokens": 1200}


@pytest.fixture(scope="module")
def own(model):
    return mechlab.load(str(model), device="cpu")


def options(kind: str, **values) -> DirectionOptions:
    return build(DirectionOptions, {"kind": kind, **values})


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"feature": "runs/first:12"}, (("runs/first",), 12)),
        ({"feature": "a:b:3"}, (("a:b",), 3)),
        ({"feature": "7", "dictionary": ["a", "b"]}, (("a", "b"), 7)),
    ],
)
def test_a_feature_is_a_run_and_a_number(given, named):
    assert named_feature(options("feature", **given)) == named


@pytest.mark.parametrize(
    "given",
    [
        *({}, {"feature": "12"}, {"feature": "run:"}, {"feature": ":3", "dictionary": ["a"]}, {"feature": "run:x"}),
        *({"feature": "run:3", "dictionary": ["other"]}, {"feature": "run:-1"}, {"feature": "run:²"}),
    ],
)
def test_a_feature_that_is_not_named_so_is_refused(given):
    with pytest.raises(UsageError, match="feature is not named"):
        named_feature(options("feature", **given))


def test_only_what_the_kind_needs_is_gathered(own):
    found = gathered(options("component"), own, SILENT)
    assert (found.site, found.examples, found.dictionary, found.points) == (None, None, None, None)
    found = gathered(options("random", site="z.0"), own, SILENT)
    assert found.site == "z.0" and found.examples is None


def test_a_dictionary_comes_with_its_hook_and_the_largest_activations_on_the_text(own, trained):
    found = gathered(options("best_feature", dictionary=[str(trained[0])], **TEXT), own, SILENT)
    text = mechlab.pack(mechlab.open_corpus("tales"), own.tokenizer, row_length=64, n_tokens=1200)
    wanted = mechlab.largest_activations(own, found.dictionary, "resid_post.0", [text.tokens.long()])
    assert torch.equal(found.largest, wanted) and float(wanted.max()) > 0
    assert found.site == "blocks.0.hook_resid_post"
    elsewhere = gathered(options("random_feature", dictionary=[str(trained[0])], site="resid_pre.1"), own, SILENT)
    assert elsewhere.site == "resid_pre.1" and elsewhere.largest is None


def test_with_a_layer_dictionaries_are_transcoders_of_all_layers(own, transcoders):
    given = {"dictionary": list(map(str, transcoders)), "direction": {"layer": 1}, **TEXT}
    found = gathered(options("best_feature", **given), own, SILENT)
    assert isinstance(found.dictionary, TranscoderSet) and found.site is None
    text = mechlab.pack(mechlab.open_corpus("tales"), own.tokenizer, row_length=64, n_tokens=1200)
    assert torch.equal(found.largest, mechlab.largest_in_layer(own, found.dictionary, 1, [text.tokens.long()]))


def test_a_transcoder_alone_writes_at_its_target(own, transcoders):
    found = gathered(options("random_feature", dictionary=[str(transcoders[1])]), own, SILENT)
    assert found.site == "blocks.1.hook_mlp_out"


def test_a_prompts_points_are_its_last_tokens_where_nothing_else_is_said(own):
    given = {"prompt": "One day the queen", "direction": {"path": ["mlp.0", "logits"]}}
    found = gathered(options("observable", **given), own, SILENT)
    wanted = mechlab.prompt_points(own, own.to_tokens("One day the queen"), ("mlp.0", "logits"), (-1, -1))
    assert torch.equal(found.points["mlp.0"].stream, wanted["mlp.0"].stream)
    assert gathered(options("observable"), own, SILENT).points is None
    with pytest.raises(UsageError, match="positions do not fit the path"):
        gathered(options("observable", **given, positions=[1]), own, SILENT)
