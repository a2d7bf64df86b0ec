"""Side effects are what a plain loop over two readings finds; no edit has none, and a larger one has more."""

from contextlib import nullcontext

import pytest
import torch
from oracles.tiny_models import D_MODEL, tiny
from torch.nn.functional import cross_entropy, kl_div

from mechlab.corpora.rows import TokenRows
from mechlab.metrics.side_effects import side_effects
from mechlab.models.loaders import load

BOS = 0


@pytest.fixture(scope="module")
def model():
    return load(tiny("gpt2"), device="cpu")


@pytest.fixture(scope="module")
def rows():
    tokens = torch.randint(3, 60, (12, 8), generator=torch.Generator().manual_seed(0))
    tokens[:, 0], tokens[4, 5] = BOS, BOS
    return TokenRows(tokens=tokens.int(), special=tokens == BOS, labels={}, fingerprint="x")


def pushed(model, size):
    direction = torch.randn(D_MODEL, generator=torch.Generator().manual_seed(1))
    return lambda: model.edit({"resid_post.0": lambda x: x + size * direction})


@torch.no_grad()
def test_they_are_what_a_plain_loop_finds(model, rows):
    found = side_effects(model, rows, pushed(model, 0.5), rows_at_once=5)
    kl, edited, own = [], [], []
    for row in rows.tokens.long():
        before = model.logits(row[None])[0].log_softmax(-1)
        with pushed(model, 0.5)():
            after = model.logits(row[None])[0].log_softmax(-1)
        for at in range(7):
            if BOS not in (row[at], row[at + 1]):
                kl.append(float(kl_div(before[at], after[at], log_target=True, reduction="sum")))
                edited.append(float(cross_entropy(after[at], row[at + 1])))
                own.append(float(cross_entropy(before[at], row[at + 1])))
    mean = lambda values: sum(values) / len(values)  # noqa: E731
    assert found.kl_nats is not None and found.loss_increase is not None
    assert found.kl_nats.value == pytest.approx(mean(kl), rel=1e-4) and found.kl_nats.n == 12
    assert found.loss_nats is not None and found.loss_nats.value == pytest.approx(mean(edited), rel=1e-5)
    assert found.own_loss_nats is not None and found.own_loss_nats.value == pytest.approx(mean(own), rel=1e-5)
    assert found.loss_increase.value == pytest.approx(mean(edited) / mean(own) - 1, rel=1e-4)


def test_no_edit_has_none_and_a_larger_one_more(model, rows):
    nothing, small, large = (
        side_effects(model, rows, edit) for edit in (nullcontext, pushed(model, 0.2), pushed(model, 2))
    )
    assert nothing.kl_nats is not None and small.kl_nats is not None and large.kl_nats is not None
    assert nothing.kl_nats.value == 0 and nothing.loss_increase is not None and nothing.loss_increase.value == 0
    assert 0 < small.kl_nats.value < large.kl_nats.value
