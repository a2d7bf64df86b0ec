"""Generation grows rows token by token, greedily or by draws that a seed repeats."""

import pytest
import torch
from oracles.tiny_models import token_rows

from mechlab.core.errors import UsageError
from mechlab.core.randomness import torch_generator
from mechlab.models.generation import chooser, extend
from mechlab.models.huggingface import HuggingFaceModel

PROMPTS = token_rows(2, 6)


def test_rows_begin_with_the_prompt_and_have_the_length_asked_for(gpt2: HuggingFaceModel) -> None:
    rows = gpt2.generate(PROMPTS, 5)
    assert rows.shape == (2, 11)
    assert torch.equal(rows[:, :6], PROMPTS)
    assert torch.equal(gpt2.generate(PROMPTS, 0), PROMPTS)
    assert not rows.is_inference()


def test_the_step_is_given_new_tokens_only_if_it_remembers() -> None:
    for use_cache, lengths in ((True, [3, 1, 1]), (False, [3, 4, 5])):
        given: list[int] = []

        def step(unseen: torch.Tensor, given: list[int] = given) -> torch.Tensor:
            given.append(unseen.shape[1])
            return torch.eye(7)[unseen[:, -1] + 1]

        rows = extend(torch.tensor([[0, 0, 1]]), 3, step, chooser(0.0, None), use_cache=use_cache)
        assert rows.tolist() == [[0, 0, 1, 2, 3, 4]]
        assert given == lengths


def test_new_tokens_are_told_one_by_one_as_they_are_chosen(gpt2: HuggingFaceModel) -> None:
    prompts, told = token_rows(2, 5), list[torch.Tensor]()
    rows = gpt2.generate(prompts, 4, seen=told.append)
    assert torch.equal(torch.cat(told, dim=1), rows[:, 5:]) and [one.shape for one in told] == [(2, 1)] * 4
    assert torch.equal(gpt2.generate(prompts, 4), rows)


def test_an_edit_sees_the_whole_prompt_once_and_then_one_position_at_a_time(gpt2: HuggingFaceModel) -> None:
    lengths: list[int] = []

    def look(value: torch.Tensor) -> torch.Tensor:
        lengths.append(value.shape[1])
        return value

    with gpt2.edit({"resid_post.1": look}):
        gpt2.generate(PROMPTS, 4)
    assert lengths == [6, 1, 1, 1]


@pytest.mark.parametrize("use_cache", [True, False])
def test_an_edit_is_told_where_the_first_token_of_a_pass_stands(gpt2: HuggingFaceModel, use_cache: bool) -> None:
    places: list[int] = []

    def look(value: torch.Tensor) -> torch.Tensor:
        places.append(gpt2.first_position)
        return value

    with gpt2.edit({"resid_post.1": look}):
        gpt2.generate(PROMPTS, 4, use_cache=use_cache)
        gpt2.logits(PROMPTS)
    assert places == ([0, 6, 7, 8, 0] if use_cache else [0] * 5)


@pytest.mark.parametrize("use_cache", [True, False])
def test_an_edit_is_told_how_long_the_prompt_is_while_text_is_generated(
    gpt2: HuggingFaceModel, use_cache: bool
) -> None:
    lengths: list[int | None] = []

    def look(value: torch.Tensor) -> torch.Tensor:
        lengths.append(gpt2.n_prompt)
        return value

    with gpt2.edit({"resid_post.1": look}):
        gpt2.generate(PROMPTS, 3, use_cache=use_cache)
        gpt2.logits(PROMPTS)
        gpt2.generate(PROMPTS[:, :4], 1, use_cache=use_cache)
    assert lengths == [6, 6, 6, None, 4]


def test_a_window_shorter_than_the_text_gives_the_same_rows_with_and_without_a_cache(
    any_model: HuggingFaceModel,
) -> None:
    with any_model.read("pattern.0") as seen:
        cached = any_model.generate(PROMPTS, 20)
        assert seen["pattern.0"].shape[-1] == 25
    assert torch.equal(cached, any_model.generate(PROMPTS, 20, use_cache=False))


def test_the_same_seed_draws_the_same_text_and_another_seed_another(gpt2: HuggingFaceModel) -> None:
    def draw(seed: int, use_cache: bool = True) -> torch.Tensor:
        generator = torch_generator(seed, "test")
        return gpt2.generate(PROMPTS, 12, temperature=1.0, generator=generator, use_cache=use_cache)

    torch.manual_seed(0)
    first = draw(1)
    torch.manual_seed(5)
    assert torch.equal(first, draw(1))
    assert torch.equal(first, draw(1, use_cache=False))
    assert not torch.equal(first, draw(2))


def test_draws_follow_the_softmax_at_the_temperature() -> None:
    logits = torch.tensor([[0.0, 1.0, 2.0, -1.0]])
    drawn = chooser(2.0, torch_generator(0, "test"))(logits.expand(40_000, -1))
    frequencies = torch.bincount(drawn[:, 0], minlength=4) / 40_000
    torch.testing.assert_close(frequencies, (logits / 2).softmax(-1)[0], atol=0.01, rtol=0)


def test_wrong_requests_are_refused_in_one_line(gpt2: HuggingFaceModel) -> None:
    with pytest.raises(UsageError, match="temperature is negative: -1"):
        gpt2.generate(PROMPTS, 3, temperature=-1.0)
    with pytest.raises(UsageError, match="sampling needs a generator"):
        gpt2.generate(PROMPTS, 3, temperature=1.0)
    with pytest.raises(UsageError, match="number of new tokens is negative: -3"):
        gpt2.generate(PROMPTS, -3)
    with pytest.raises(UsageError, match=r"row longer than the model's context: 49. .* at most 48 tokens"):
        gpt2.generate(PROMPTS, 43)
    assert gpt2.generate(PROMPTS, 42).shape == (2, 48)
