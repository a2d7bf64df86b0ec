"""Output scores are those of one pass for each feature by a hook of PyTorch's own; their parts mean what they say."""

import pytest
import torch
from circuits.attribution.random_transcoders import random_set
from circuits.directions.pieces import D_SAE, dictionary, material
from oracles.tiny_models import D_MODEL, D_VOCAB, tiny, token_rows

from mechlab.circuits.directions.feature import feature_rows
from mechlab.circuits.directions.output_scores import (
    OutputScoring,
    largest_activations,
    largest_in_layer,
    output_scores,
)
from mechlab.core.errors import UsageError
from mechlab.models.huggingface import HuggingFaceModel

PROMPT = token_rows(1, 7, seed=5)
SCORING = OutputScoring(factor=3.0, n_top=4, rows_at_once=5)


@torch.no_grad()
def by_hand(hf_model, rows, largest, factor: float, n_top: int) -> list[float]:
    """Return the scores feature by feature, ranks by sorting, the model's own norm and head as the lens."""
    found = []
    block = hf_model.transformer.h[1]
    for row, size in zip(rows, largest.tolist(), strict=True):
        pushed = factor * size * row

        def push(module, args, output, pushed=pushed):
            hidden = output[0] if isinstance(output, tuple) else output
            hidden = torch.cat([hidden[:, :-1], hidden[:, -1:] + pushed], 1)
            return (hidden, *output[1:]) if isinstance(output, tuple) else hidden

        handle = block.register_forward_hook(push)
        chances = hf_model(PROMPT).logits[0, -1].double().softmax(0)
        handle.remove()
        centred = row - row.mean()
        lens = (centred * hf_model.transformer.ln_f.weight) @ hf_model.lm_head.weight.T
        tokens = lens.argsort(descending=True)[:n_top].tolist()
        order = chances.argsort(descending=True).tolist()
        rank, chance = min(order.index(t) for t in tokens), max(float(chances[t]) for t in tokens)
        found.append((1 - rank / D_VOCAB) * chance if size > 0 else 0.0)
    return found


def test_batched_scores_are_those_of_single_passes_by_hand():
    hf_model, plain = tiny("gpt2"), material()
    _, rows = feature_rows(plain, range(D_SAE))
    found = output_scores(plain.model, "resid_post.1", rows, plain.largest, SCORING, PROMPT)
    wanted = by_hand(hf_model, rows, plain.largest, 3.0, 4)
    assert found.tolist() == pytest.approx(wanted, rel=1e-4, abs=1e-9)
    assert (plain.largest == 0).any() and (found[plain.largest == 0] == 0).all()
    assert found.max() > 2 * found.median()


def test_a_feature_that_writes_a_token_s_own_direction_scores_high_and_one_that_writes_next_to_nothing_low():
    model = HuggingFaceModel(tiny("gpt2"))
    weights = model.weights()
    row = weights.ln_final_w * (weights.W_U[:, 9] - weights.W_U.mean(1))
    rows, scoring = torch.stack([row, 1e-6 * row]), OutputScoring(n_top=1)
    loud, silent = output_scores(model, "resid_post.2", rows, torch.tensor([300.0, 300.0]), scoring, PROMPT)
    assert loud > 0.7 and silent < 0.2


def test_the_largest_activation_is_found_on_all_text_but_first_tokens():
    plain, batches = material(), [token_rows(2, 6, seed=1), token_rows(3, 4, seed=2)]
    each = [dictionary().encode(plain.model.activations(rows, ["resid_post.1"])["resid_post.1"]) for rows in batches]
    wanted = torch.stack([codes[:, 1:].amax((0, 1)) for codes in each]).amax(0)
    torch.testing.assert_close(largest_activations(plain.model, dictionary(), "resid_post.1", batches), wanted)
    transcoders = random_set("topk", plain.model.spec, torch.float32)
    read = [plain.model.activations(rows, ["ln2_normalized.1"])["ln2_normalized.1"] for rows in batches]
    wanted = torch.stack([transcoders.codes(1, one)[:, 1:].amax((0, 1)) for one in read]).amax(0)
    torch.testing.assert_close(largest_in_layer(plain.model, transcoders, 1, batches), wanted)


def test_what_cannot_be_scored_is_refused():
    model, rows, ones = HuggingFaceModel(tiny("gpt2")), torch.ones(1, D_MODEL), torch.ones(1)
    with pytest.raises(UsageError, match=r"known in the residual stream only: 'z\.1'"):
        output_scores(model, "z.1", rows, ones, SCORING, PROMPT)
    for bad in (-ones, ones * torch.nan):
        with pytest.raises(UsageError, match="not numbers from 0"):
            output_scores(model, "resid_post.1", rows, bad, SCORING, PROMPT)
    with pytest.raises(UsageError, match="need one prompt: 2"):
        output_scores(model, "resid_post.1", rows, ones, SCORING, token_rows(2, 3))
    with pytest.raises(UsageError, match="no tokenizer"):
        output_scores(model, "resid_post.1", rows, ones)
    with pytest.raises(UsageError, match="no text to find activations in"):
        largest_activations(model, dictionary(), "resid_post.1", [])
    with pytest.raises(UsageError, match=r"dictionary does not fit the site: 32. mlp_post.0 has width 48"):
        largest_activations(model, dictionary(), "mlp_post.0", [PROMPT])
