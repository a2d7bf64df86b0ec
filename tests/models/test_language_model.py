"""Text and tokens: what every backend shares, and what it refuses."""

import pytest
import torch
from oracles.tiny_models import token_rows

from mechlab.core.errors import UsageError
from mechlab.models.huggingface import HuggingFaceModel


def test_text_becomes_tokens_and_text_again(stories: HuggingFaceModel) -> None:
    tokens = stories.to_tokens("Once upon a time")
    assert tokens[0, 0] == stories.bos_id == 1
    assert stories.to_text(tokens) == ["<s> Once upon a time"]
    assert stories.token_strings(tokens[0]) == ["<s>", " Once", " upon", " a", " time"]
    assert torch.equal(stories.to_tokens("Once upon a time", bos=False), tokens[:, 1:])


def test_texts_of_one_length_become_rows_and_others_are_refused(stories: HuggingFaceModel) -> None:
    assert stories.to_tokens(["a cat", "a dog"]).shape[0] == 2
    with pytest.raises(UsageError, match=r"texts need equally many tokens, at least one: \[3, 7\]"):
        stories.to_tokens(["a big", "a big red car"])
    with pytest.raises(UsageError, match="texts need equally many tokens"):
        stories.to_tokens("", bos=False)
    with pytest.raises(UsageError, match="texts need equally many tokens"):
        stories.to_tokens([])


def test_a_model_without_a_tokenizer_says_so(gpt2: HuggingFaceModel) -> None:
    assert gpt2.tokenizer is None
    assert gpt2.bos_id is None
    assert gpt2.special_ids == frozenset()
    calls = [
        lambda: gpt2.to_tokens("text"),
        lambda: gpt2.to_text(token_rows()),
        lambda: gpt2.token_strings(token_rows()[0]),
    ]
    for call in calls:
        with pytest.raises(UsageError, match=r"model has no tokenizer: 'gpt2'. Put tokenizer.json"):
            call()


def test_the_trained_model_continues_a_story(stories: HuggingFaceModel) -> None:
    rows = stories.generate(stories.to_tokens("Once upon a time"), 20)
    assert stories.to_text(rows)[0].startswith("<s> Once upon a time, there was a little girl named Lily. She loved to")


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        (torch.tensor([[0, 61]]), "token outside the vocabulary: 61. gpt2 knows tokens 0..60."),
        (torch.tensor([[-1, 3]]), "token outside the vocabulary: -1."),
        (torch.zeros(1, 49, dtype=torch.long), "row longer than the model's context: 49. gpt2 reads at most 48 tokens"),
        (torch.zeros(2, 0, dtype=torch.long), "tokens are not rows of integers"),
    ],
)
@pytest.mark.parametrize("use", ["logits", "activations", "generate"])
def test_wrong_tokens_are_refused_in_one_line(
    gpt2: HuggingFaceModel, tokens: torch.Tensor, message: str, use: str
) -> None:
    calls = {
        "logits": lambda: gpt2.logits(tokens),
        "activations": lambda: gpt2.activations(tokens, ["embed"]),
        "generate": lambda: gpt2.generate(tokens, 0),
    }
    with pytest.raises(UsageError) as caught:
        calls[use]()
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_one_row_without_a_batch_axis_and_numbers_that_are_no_tokens_are_refused(gpt2: HuggingFaceModel) -> None:
    for tokens in (torch.zeros(5, dtype=torch.long), torch.zeros(1, 5)):
        with pytest.raises(UsageError, match=r"tokens are not rows of integers \[batch, pos\]"):
            gpt2.checked(tokens)


def test_short_integers_are_tokens_too(gpt2: HuggingFaceModel) -> None:
    assert torch.equal(gpt2.logits(token_rows().int()), gpt2.logits(token_rows()))


def test_the_list_of_sites_can_be_read_as_it_stands(any_model: HuggingFaceModel) -> None:
    assert set(any_model.activations(token_rows(1, 4), any_model.sites())) == set(any_model.sites())
