"""Continuations repeat each prompt and draw for each from its own generator, whatever edit is open."""

import pytest
import torch
from oracles.tiny_models import tiny
from oracles.word_tokenizer import word_tokenizer

from mechlab.core.errors import UsageError
from mechlab.core.randomness import torch_generator
from mechlab.interventions import continuations as module
from mechlab.interventions.continuations import continuations
from mechlab.interventions.steering.steer import steer
from mechlab.models.loaders import load


@pytest.fixture(scope="module")
def model():
    loaded = load(tiny("gpt2"), device="cpu")
    loaded.tokenizer = word_tokenizer(" ".join(["the", "cat", *(f"w{i}" for i in range(56))]))
    return loaded


def test_every_prompt_is_continued_as_the_model_alone_would(model):
    prompts = ["the cat", "the"]
    found = continuations(model, prompts, 3, 5, seed=4)
    for number, (prompt, texts) in enumerate(zip(prompts, found, strict=True)):
        row = model.to_tokens(prompt)
        draw = torch_generator(4, f"continuations {number}")
        assert torch.equal(texts.tokens, model.generate(row.repeat(3, 1), 5, temperature=1.0, generator=draw))
        assert texts.n_prompt == row.shape[1]
        assert torch.equal(texts.written, texts.tokens[:, row.shape[1] :]) and texts.written.shape == (3, 5)
        assert len({tuple(text) for text in texts.written.tolist()}) == 3


def test_prompts_of_one_length_are_written_together_and_long_batches_in_parts(model, monkeypatch):
    prompts = ["the", "cat w3", "w1", "w2", "w4"]
    whole = continuations(model, prompts, 3, 5, seed=4)
    sizes = []
    generate = type(model).generate

    def counted(self, tokens, *given, **named):
        sizes.append(tuple(tokens.shape))
        return generate(self, tokens, *given, **named)

    monkeypatch.setattr(type(model), "generate", counted)
    monkeypatch.setattr(module, "BATCH_ROWS", 7)
    parts = continuations(model, prompts, 3, 5, seed=4)
    n = model.to_tokens("the").shape[1]
    assert sizes == [(6, n), (6, n), (3, n + 1)]
    assert all(torch.equal(one.tokens, other.tokens) for one, other in zip(whole, parts, strict=True))


def test_texts_of_one_prompt_do_not_depend_on_the_others(model):
    together, alone = continuations(model, ["the", "cat"], 2, 4), continuations(model, ["the"], 2, 4)
    assert torch.equal(together[0].tokens, alone[0].tokens)


def test_an_open_edit_writes_and_one_of_nothing_changes_nothing(model):
    push = torch.randn(model.spec.d_model, generator=torch.Generator().manual_seed(0))
    plain = continuations(model, ["the"], 4, 6)[0].tokens
    with steer(model, "resid_post.1", push, 0.0):
        assert torch.equal(continuations(model, ["the"], 4, 6)[0].tokens, plain)
    with steer(model, "resid_post.1", push, 5.0):
        assert not torch.equal(continuations(model, ["the"], 4, 6)[0].tokens, plain)


@pytest.mark.parametrize(("prompts", "n_each"), [([], 3), (["the"], 0)])
def test_no_text_at_all_is_refused(model, prompts, n_each):
    with pytest.raises(UsageError, match="no text to write"):
        continuations(model, prompts, n_each, 2)
