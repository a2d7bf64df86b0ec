"""Shapes: the annotations are executed, so a wrong shape does not get past a function."""

import pytest
import torch
from beartype import beartype
from beartype.roar import BeartypeCallHintViolation
from jaxtyping import TypeCheckError, jaxtyped

from mechlab.core.shapes import Codes, Inputs, Logits, Targets, Tokens


@jaxtyped(typechecker=beartype)
def passes(tokens: Tokens, logits: Logits) -> None: ...


@jaxtyped(typechecker=beartype)
def maps(inputs: Inputs, codes: Codes) -> Targets:
    return torch.zeros(len(codes), 5)


def test_shapes_that_fit_pass():
    passes(torch.zeros(2, 3, dtype=torch.int64), torch.zeros(2, 3, 7))
    assert maps(torch.zeros(4, 6), torch.zeros(4, 9)).shape == (4, 5)


@pytest.mark.parametrize(
    ("tokens", "logits"),
    [
        (torch.zeros(2, 3), torch.zeros(2, 3, 7)),
        (torch.zeros(2, 3, dtype=torch.int64), torch.zeros(2, 4, 7)),
        (torch.zeros(3, dtype=torch.int64), torch.zeros(2, 3, 7)),
    ],
)
def test_shapes_that_do_not_fit_are_refused(tokens, logits):
    with pytest.raises((TypeCheckError, BeartypeCallHintViolation)):
        passes(tokens, logits)


@pytest.mark.parametrize("other", [Codes, Targets, Inputs])
def test_batches_must_agree(other):
    @jaxtyped(typechecker=beartype)
    def pairs(inputs: Inputs, others: other) -> None: ...

    pairs(torch.zeros(4, 6), torch.zeros(4, 6))
    with pytest.raises((TypeCheckError, BeartypeCallHintViolation)):
        pairs(torch.zeros(4, 6), torch.zeros(3, 6))
