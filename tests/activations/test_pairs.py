"""Pairs: a token's inputs and targets leave the pool together, however they are shuffled, and are the library's."""

from collections.abc import Sequence

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.stand_in import TokenEcho, numbered_rows
from oracles.tiny_models import tiny, token_rows
from torch import Tensor

from mechlab.activations.pairs import PairStream
from mechlab.activations.stream import ActivationStream, StreamConfig
from mechlab.core.errors import ArtifactError, UsageError
from mechlab.corpora.rows import TokenRows
from mechlab.models.huggingface import HuggingFaceModel
from mechlab.models.route import Route
from mechlab.models.sites import Site

FROM, TO = "ln2_normalized.1", "mlp_out.1"


class SiteEcho(TokenEcho):
    """Answers with [token, layer, 1] times -1 where a target is asked, so that a vector names its token and site."""

    def activations(self, tokens: Tensor, sites: Sequence[str | Site]) -> dict[str, Tensor]:
        found = super().activations(tokens, sites)
        for site in sites:
            place = Site.parse(site, self.spec)
            found[str(place)][..., 1] = place.layer
            if place.kind == "mlp_out":
                found[str(place)] *= -1
        return found


def pairs_of(route: str, n_rows: int = 40, row_length: int = 8, specials: Sequence[int] = (), **config) -> PairStream:
    settings = StreamConfig(**{"batch_size": 16, "pool_size": 64, "forward_rows": 3, **config})
    return PairStream(SiteEcho(), numbered_rows(n_rows, row_length, specials), route, settings)


@settings(max_examples=25, deadline=None)
@given(
    st.integers(2, 40),
    st.integers(1, 90),
    st.integers(1, 7),
    st.integers(0, 5),
    st.sampled_from([(), (0,), (0, 3)]),
)
def test_inputs_and_targets_stay_paired_whatever_the_sizes(
    batch_size: int, room: int, forward_rows: int, seed: int, specials: tuple[int, ...]
) -> None:
    sizes = {"batch_size": batch_size, "pool_size": batch_size + room, "forward_rows": forward_rows, "seed": seed}
    stream = pairs_of("resid_post.0,resid_post.2 -> mlp_out.3,mlp_out.2,mlp_out.1", specials=specials, **sizes)
    assert (stream.d_in, stream.d_out, stream.widths_out) == (6, 9, [3, 3, 3])
    in_order = []
    for _ in range(30):
        inputs, targets = stream.next()
        tokens = inputs[:, 0]
        assert torch.equal(inputs[:, 3], tokens)
        assert torch.equal(targets[:, ::3], -tokens[:, None].expand(-1, 3))
        assert inputs[:, [1, 4]].unique(dim=0).tolist() == [[0, 2]]
        assert targets[:, [1, 4, 7]].unique(dim=0).tolist() == [[-3, -2, -1]]
        in_order.append(tokens.diff() == 1)
    assert torch.cat(in_order).float().mean() < 0.5 or batch_size < 4, "or nothing was shuffled"


def test_a_pass_serves_every_token_that_is_not_special_exactly_once() -> None:
    stream = pairs_of(f"{FROM} -> {TO}", n_rows=16, specials=[0], n_batches=7)
    served = torch.cat([inputs[:, 0] for inputs, _ in stream]).long()
    assert sorted(served.tolist()) == [token for token in range(128) if token % 8]


def random_rows() -> TokenRows:
    tokens = token_rows(24, 16).int()
    tokens[:, 0] = 0
    return TokenRows(tokens, tokens == 0, "random")


def test_the_pairs_are_those_of_the_librarys_own_mlp() -> None:
    model = HuggingFaceModel(tiny("gpt2"))
    stream = PairStream(model, random_rows(), "mlp.1", StreamConfig(batch_size=50, pool_size=100, forward_rows=4))
    block = model.module.transformer.h[1]
    for _ in range(5):
        inputs, targets = stream.next()
        torch.testing.assert_close(
            block.mlp(inputs * block.ln_2.weight + block.ln_2.bias), targets, rtol=1e-4, atol=1e-5
        )
        torch.testing.assert_close(inputs.mean(-1), torch.zeros(50), rtol=0, atol=1e-5)


def test_a_stream_of_pairs_resumes_to_the_bit() -> None:
    model, rows = HuggingFaceModel(tiny("gpt2")), random_rows()
    config = StreamConfig(batch_size=50, pool_size=100, forward_rows=3, n_batches=20, seed=4)
    whole = PairStream(model, rows, "mlp.1", config)
    for _ in range(9):
        whole.next()
    resumed = PairStream(model, rows, "mlp.1", config)
    resumed.restore({name: value.clone() for name, value in whole.state().items()})
    for mine, theirs in zip(resumed, whole, strict=True):
        assert torch.equal(mine[0], theirs[0]) and torch.equal(mine[1], theirs[1])
    with pytest.raises(ArtifactError, match="saved pool does not fit"):
        ActivationStream(model, rows, "mlp_out.1", config).restore(whole.state())


def test_several_sites_without_a_target_are_one_batch() -> None:
    sites = Route.of("resid_post.0,resid_post.2", SiteEcho().spec).inputs
    stream = ActivationStream(SiteEcho(), numbered_rows(9, 8), sites, StreamConfig(batch_size=8, pool_size=8))
    assert (stream.d_in, stream.widths_in) == (6, [3, 3])
    batch = stream.next()
    assert torch.equal(batch[:, 0], batch[:, 3])
    assert batch[:, [1, 4]].unique(dim=0).tolist() == [[0, 2]]


def test_the_route_is_part_of_the_fingerprint() -> None:
    routes = (f"{FROM} -> {TO}", f"{FROM} -> resid_post.1", f"{FROM},resid_mid.1 -> {TO}")
    assert len({pairs_of(route).fingerprint for route in routes}) == 3


def test_a_route_without_a_target_is_refused() -> None:
    with pytest.raises(UsageError, match=r"no target.*resid_post\.1.*ActivationStream"):
        pairs_of("resid_post.1")
