"""Examples are what the model holds at last tokens, at roles of pairs, or at labelled tokens: against single passes."""

import pytest
import torch
from circuits.asked_pairs import random_pairs
from oracles.tiny_models import tiny, token_rows
from oracles.word_tokenizer import word_tokenizer

from mechlab.circuits.directions.reading import examples_of_pairs, examples_of_texts, examples_of_tokens
from mechlab.core.errors import UnknownName, UsageError
from mechlab.corpora.rows import TokenRows
from mechlab.models.huggingface import HuggingFaceModel

HF = tiny("gpt2")
MODEL = HuggingFaceModel(HF, word_tokenizer("red green blue dark light sea sky"))
GOOD, BAD = ["red sea", "blue", "light sky"], ["dark green sea", "sky dark", "green"]


def hidden(tokens: torch.Tensor, layer: int = 1) -> torch.Tensor:
    """Return the oracle's: the hidden states the library itself gives out."""
    with torch.no_grad():
        return HF(tokens, output_hidden_states=True).hidden_states[layer + 1]


def labelled() -> TokenRows:
    tokens = token_rows(70, 6, seed=3).int()
    special = torch.zeros_like(tokens, dtype=torch.bool)
    special[:, 0] = True
    labels = {"mood": torch.where(tokens < 20, 0, torch.where(tokens < 40, 1, -1)).to(torch.int8)}
    return TokenRows(tokens, special, "rows", labels, {"mood": ("glad", "sad", "none")})


@pytest.mark.parametrize("paired", [False, True])
def test_texts_are_read_at_their_last_token_whatever_their_length(paired):
    found = examples_of_texts(MODEL, "resid_post.1", GOOD, BAD, paired=paired)
    wanted = torch.cat([hidden(MODEL.to_tokens(text))[:, -1] for text in GOOD + BAD])
    torch.testing.assert_close(found.vectors, wanted, atol=1e-5, rtol=1e-5)
    assert found.positive.tolist() == [True] * 3 + [False] * 3 and found.paired == paired
    assert found.groups.tolist() == [0, 1, 2, 0, 1, 2] if paired else [*range(6)]
    assert found.model == MODEL.fingerprint and found.site == "resid_post.1"


def test_pairs_are_read_at_a_role_of_each_row():
    pairs = random_pairs(70)
    found = examples_of_pairs(MODEL, "resid_post.1", [pairs], "S1")
    rows = torch.arange(70)
    wanted = [hidden(tokens)[rows, pairs.positions["S1"]] for tokens in (pairs.clean, pairs.corrupted)]
    torch.testing.assert_close(found.vectors, torch.cat(wanted), atol=1e-5, rtol=1e-5)
    assert found.paired and found.n_positive == 70
    with pytest.raises(UnknownName, match=r"no such role: 'S9'. Roles: IO, S1, END"):
        examples_of_pairs(MODEL, "resid_post.1", [pairs], "S9")


def test_labelled_tokens_are_read_where_they_stand_and_grouped_by_row():
    rows = labelled()
    found = examples_of_tokens(MODEL, "blocks.1.hook_resid_post", rows, ("mood=glad", "mood=sad"))
    glad, sad = ((rows.labels["mood"] == value) & ~rows.special for value in (0, 1))
    assert found.n_positive == int(glad.sum()) and found.n_negative == int(sad.sum())
    every = hidden(rows.tokens.long())
    torch.testing.assert_close(found.vectors, every[glad | sad], atol=1e-5, rtol=1e-5)
    assert torch.equal(found.positive, glad[glad | sad])
    assert torch.equal(found.groups, torch.arange(70)[:, None].expand(-1, 6)[glad | sad])
    rest = examples_of_tokens(MODEL, "resid_post.1", rows, "mood=glad")
    assert rest.n_negative == int((~rows.special).sum()) - rest.n_positive


def test_of_many_tokens_some_are_drawn():
    rows = labelled()
    few = examples_of_tokens(MODEL, "resid_post.1", rows, "mood=glad", most=20)
    assert (few.n_positive, few.n_negative) == (20, 20)
    again = examples_of_tokens(MODEL, "resid_post.1", rows, "mood=glad", most=20)
    other = examples_of_tokens(MODEL, "resid_post.1", rows, "mood=glad", most=20, seed=1)
    assert torch.equal(again.vectors, few.vectors) and not torch.equal(other.vectors, few.vectors)


def test_labels_and_sites_that_are_not_there_are_refused():
    rows = labelled()
    with pytest.raises(UnknownName, match=r"no such label: 'moood'. Labels are mood"):
        examples_of_tokens(MODEL, "resid_post.1", rows, "moood")
    with pytest.raises(UnknownName, match=r"mood has no such value: 'gladd'"):
        examples_of_tokens(MODEL, "resid_post.1", rows, "mood=gladd")
    with pytest.raises(UsageError, match="too few positive examples: 0"):
        examples_of_tokens(MODEL, "resid_post.1", rows, "mood=none")
    with pytest.raises(UsageError, match="no vector for each token"):
        examples_of_texts(MODEL, "pattern.1", GOOD, BAD)
    with pytest.raises(UsageError, match="too few positive examples: 0"):
        examples_of_texts(MODEL, "resid_post.1", [], BAD)
    with pytest.raises(UsageError, match="too few positive examples: 0"):
        examples_of_tokens(MODEL, "resid_post.1", rows, ("mood=none", "mood=none"))
    for none in ([], [random_pairs(3).select(slice(0, 0))]):
        with pytest.raises(UsageError, match="too few positive examples: 0"):
            examples_of_pairs(MODEL, "resid_post.1", none)


def test_heads_of_a_site_stand_side_by_side():
    found = examples_of_texts(MODEL, "z.1", GOOD, BAD)
    wanted = MODEL.activations(MODEL.to_tokens(GOOD[1]), ["z.1"])["z.1"][0, -1].flatten()
    torch.testing.assert_close(found.vectors[1], wanted)
