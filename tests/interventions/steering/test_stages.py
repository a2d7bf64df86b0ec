"""Stages keep each row's order, stop at the ends of their span, and keep lengths where asked."""

import pytest
import torch
from oracles.tiny_models import tiny

from mechlab.interventions.steering.changes import Along, Shift
from mechlab.interventions.steering.moment import Moment
from mechlab.interventions.steering.span import TokenSpan
from mechlab.interventions.steering.stages import SiteEdit, rescaled, stages_of
from mechlab.models.loaders import load
from mechlab.models.sites import Site

LIKE, X = torch.empty(0), torch.randn(2, 6, 8, generator=torch.Generator().manual_seed(0))
AXES = torch.eye(8, dtype=torch.float64)


def shift(axis: int, amount: float = 1.0, **how) -> Shift:
    given = {"site": Site("resid_post", 1), "read": None, "span": TokenSpan(), "keep_norm": False, "gate": None, **how}
    return Shift(**given, vector=amount * AXES[axis])


def doubled(axis: int, **how) -> Along:
    given = {"site": Site("resid_post", 1), "read": None, "span": TokenSpan(), "keep_norm": False, "gate": None, **how}
    return Along(**given, reader=AXES[axis], writer=AXES[axis], gain=1.0, shift=torch.zeros((), dtype=torch.float64))


def edited(rows, n_prompt: int | None = None, x: torch.Tensor = X) -> torch.Tensor:
    moment = Moment(load(tiny("gpt2"), device="cpu"), None if len(rows) == 1 else len(rows), n_prompt)
    return SiteEdit(moment, stages_of(rows, LIKE))(x.clone())


def test_vectors_that_are_added_are_one_stage_and_so_are_those_of_other_rows():
    assert len(stages_of([[shift(0), shift(1)], [shift(2)]], LIKE)) == 1
    assert len(stages_of([[shift(0), doubled(0), shift(1)], [shift(2)]], LIKE)) == 3
    assert stages_of([[], []], LIKE) == ()


def test_each_row_keeps_its_order():
    found = edited([[shift(0), doubled(0)], [doubled(0), shift(0)]])
    assert torch.equal(found[0, :, 0], 2 * (X[0, :, 0] + 1)) and torch.equal(found[1, :, 0], 2 * X[1, :, 0] + 1)
    assert torch.equal(found[..., 1:], X[..., 1:])


@pytest.mark.parametrize(
    ("span", "places"),
    [
        (TokenSpan(within="prompt"), [0, 1, 2, 3]),
        (TokenSpan(within="decoded"), [4, 5]),
        (TokenSpan(start=1, stop=3), [1, 2]),
        (TokenSpan(within="decoded", start=9), []),
    ],
)
@pytest.mark.parametrize("kind", [shift, doubled])
def test_only_the_places_of_the_span_are_changed(kind, span, places):
    found = edited([[kind(0, span=span)]], n_prompt=4)
    changed = (found != X).any(-1).any(0).nonzero().flatten().tolist()
    assert changed == places


def test_lengths_are_kept_to_the_place():
    found = edited([[shift(0, 5.0, keep_norm=True, span=TokenSpan(stop=3))]])
    torch.testing.assert_close(found.norm(dim=-1), X.norm(dim=-1))
    more = X[:, :3] + 5 * AXES[0].float()
    torch.testing.assert_close(
        found[:, :3] / found[:, :3].norm(dim=-1, keepdim=True), more / more.norm(dim=-1, keepdim=True)
    )
    assert torch.equal(found[:, 3:], X[:, 3:])


def test_lengths_are_kept_in_half_precision_and_where_nothing_is_left():
    long = torch.full((1, 1, 64), 3000.0, dtype=torch.float16)  # its squares are beyond float16
    torch.testing.assert_close(rescaled(long / 4, long), long)
    assert torch.equal(rescaled(long, long), long)
    assert torch.equal(rescaled(long * 0, long), long * 0)


def test_heads_are_seen_side_by_side_and_given_back_apart():
    found = edited([[shift(5)]], x=X.view(2, 6, 4, 2))
    assert torch.equal(found, (X + AXES[5].float()).view(2, 6, 4, 2))


def test_the_number_type_of_the_activation_is_that_of_what_comes_out():
    assert edited([[doubled(0)]], x=X.bfloat16()).dtype == torch.bfloat16
    assert edited([[shift(0)]], x=X.double()).dtype == torch.float64
