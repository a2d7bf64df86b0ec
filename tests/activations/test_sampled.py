"""Text sampled from the model: its own distribution, its own document ends, the same seed the same rows."""

import pytest
import torch
from oracles.tiny_models import D_VOCAB, tiny
from oracles.tiny_texts import TinyTokenizer, word_tokenizer
from torch import Tensor

from mechlab.activations.sampled import sampled_rows
from mechlab.core.errors import UsageError
from mechlab.models.huggingface import HuggingFaceModel

WORDS = [f"w{i}" for i in range(D_VOCAB - 3)]


def model(tokenizer: TinyTokenizer | None = None) -> HuggingFaceModel:
    return HuggingFaceModel(tiny("gpt2"), tokenizer or word_tokenizer(WORDS, eos_id=None))


def scores(rows: Tensor, sharpness: float = 1.0) -> tuple[Tensor, Tensor]:
    """Return each token's surprisal under the library's model, and the entropy it should have on average."""
    log = (sharpness * tiny("gpt2")(rows).logits[:, :-1]).log_softmax(-1)
    return -log.gather(2, rows[:, 1:, None]).squeeze(2), -(log.exp() * log).sum(-1)


def test_tokens_are_drawn_at_temperature_one_from_the_librarys_model():
    """Surprisal minus entropy has mean zero under the right distribution only; the null is a sharper model."""
    rows = sampled_rows(model(), n_tokens=6000, row_length=30, seed=0).tokens.long()
    for sharpness, is_right in ((1.0, True), (1.3, False), (0.75, False)):
        surprisal, entropy = scores(rows, sharpness)
        excess = (surprisal - entropy).flatten()
        z = excess.mean() / (excess.std() / len(excess) ** 0.5)
        assert (abs(z.item()) < 4) is is_right, (sharpness, z)


def test_rows_open_with_the_start_token_and_special_tokens_are_marked():
    rows = sampled_rows(model(), n_tokens=1001, row_length=20, seed=1)
    assert rows.tokens.shape == (51, 20)
    assert bool((rows.tokens[:, 0] == 0).all())
    assert torch.equal(rows.special, torch.isin(rows.tokens, torch.tensor([0, 1, 2])))
    assert rows.labels == {}


def test_the_seed_decides_the_rows():
    first, again, other = (sampled_rows(model(), n_tokens=400, row_length=20, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(first.tokens, again.tokens)
    assert first.fingerprint == again.fingerprint
    assert not torch.equal(first.tokens, other.tokens)
    assert first.fingerprint != other.fingerprint


def test_what_is_written_behind_an_end_token_is_cut_off_and_the_next_document_follows():
    ending = word_tokenizer(WORDS, bos_id=0, eos_id=5)
    rows = sampled_rows(model(ending), n_tokens=3000, row_length=25, seed=0)
    flat = rows.tokens.flatten()
    ends = (flat == 5).nonzero().flatten()
    ends = ends[ends < len(flat) - 1]
    assert len(rows) == 120
    assert len(ends) > 20
    assert bool((flat[ends + 1] == 0).all())


def test_a_model_without_tokenizer_or_start_token_is_refused():
    for tokenizer in (None, word_tokenizer(WORDS, bos_id=None, eos_id=None)):
        with pytest.raises(UsageError, match="no token to start a text from"):
            sampled_rows(HuggingFaceModel(tiny("gpt2"), tokenizer), n_tokens=10, row_length=5, seed=0)


def test_rows_longer_than_the_models_context_are_refused():
    with pytest.raises(UsageError, match="48"):
        sampled_rows(model(), n_tokens=10, row_length=49, seed=0)
