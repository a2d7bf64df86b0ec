"""What is asked of a traced prompt is what the model says of these tokens, less the mean of all logits."""

import pytest
import torch

from mechlab.circuits.attribution.frozen_pass import frozen_pass
from mechlab.core.errors import UsageError
from mechlab.models.loaders import load
from mechlab.verbs.steps.tracing.targets import asked_of, named_tokens
from mechlab.verbs.steps.tracing.transcoders import open_transcoders
from mechlab.verbs.trace_options import TraceOptions


@pytest.fixture(scope="module")
def subject(model, transcoders):
    own = load(str(model), device="cpu")
    tokens = own.to_tokens("It was winter.")
    frozen = frozen_pass(own, open_transcoders(own, transcoders), tokens)
    with torch.no_grad():
        return own, frozen, own.logits(tokens)[0]


def options(**changed):
    return TraceOptions(prompt="It was winter.", dictionaries=("none",), **changed)


def test_a_token_is_named_by_its_text_or_its_number(subject):
    own, _, _ = subject
    snow = int(own.to_tokens("snow", bos=False)[0, 0])
    assert named_tokens(own, ("snow", f"#{snow}", "#0")) == [snow, snow, 0]
    for wrong in ("snow pumpkin", "xyzzy", "#999999"):
        with pytest.raises(UsageError, match="token"):
            named_tokens(own, (wrong,))


def test_named_tokens_count_alike_each_once_and_have_their_probabilities(subject):
    own, frozen, logits = subject
    asked = asked_of(own, frozen, options(target=("snow", "#7", "snow"), position=2))
    tokens = [one.token for one in asked.names]
    assert len(tokens) == 2 and tokens[1] == 7 and asked.weights == (1.0, 1.0)
    torch.testing.assert_close(asked.targets.values, (logits[2] - logits[2].mean())[tokens], atol=1e-4, rtol=1e-4)
    found = torch.tensor([one.probability for one in asked.names])
    torch.testing.assert_close(found, logits[2].softmax(-1)[tokens])


def test_left_out_the_likeliest_tokens_are_asked_as_many_as_make_up_the_probability(subject):
    own, frozen, logits = subject
    asked = asked_of(own, frozen, options())
    assert [one.token for one in asked.names] == logits[-1].topk(10).indices.tolist()
    with own.edit({"unembed_in": lambda x: x * 1000}):  # a model that is sure of one token
        assert len(asked_of(own, frozen, options()).names) == 1


def test_against_others_the_means_of_both_are_taken_apart(subject):
    own, frozen, logits = subject
    asked = asked_of(own, frozen, options(target=("#5", "#6"), against=("#7", "#8", "#9")))
    wanted = logits[-1, [5, 6]].mean() - logits[-1, [7, 8, 9]].mean()
    assert float(asked.targets.values[0]) == pytest.approx(float(wanted), abs=1e-4) and len(asked.targets) == 1
    assert asked.names[0].token is None and "less" in asked.names[0].label
    with pytest.raises(UsageError, match="--target"):
        asked_of(own, frozen, options(against=("#7",)))
