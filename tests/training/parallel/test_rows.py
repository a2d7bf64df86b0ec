"""Rows are dealt in stretches; what is counted over them is counted over the batch."""

import pytest
import torch
from oracles.thread_group import together

from mechlab.core.errors import UsageError
from mechlab.dictionaries.batchtopk import BatchTopKConfig, BatchTopKDictionary
from mechlab.dictionaries.dictionary import StepContext
from mechlab.dictionaries.tiles import Tiles
from mechlab.training.parallel.rows import RowCrew, RowPeers

ROWS = torch.arange(24.0).reshape(12, 2)


def test_each_process_takes_its_stretch() -> None:
    shares = together(3, lambda group: RowCrew(group).share(ROWS))
    assert torch.equal(torch.cat(shares), ROWS)
    assert {len(share) for share in shares} == {4}


@pytest.mark.parametrize("n", [5, 7])
def test_a_batch_that_does_not_divide_is_refused(n: int) -> None:
    def ask(group: object) -> None:
        crew = RowCrew(group)  # type: ignore[arg-type]
        crew.refuse(d_sae=1, batch_size=35)
        with pytest.raises(UsageError, match=f"does not divide among {n} processes: 12. Give a --batch-size that {n}"):
            crew.share(ROWS)

    together(n, ask)


def test_the_losses_of_the_shares_are_those_of_the_batch() -> None:
    dictionary = BatchTopKDictionary(BatchTopKConfig(d_in=6, d_sae=16, k=1.5))
    rows = torch.randn(12, 6, generator=torch.Generator().manual_seed(0))
    context = StepContext(3, torch.arange(16) % 2 == 0)
    wanted = dictionary.loss(rows, rows, context)

    def own(group: object) -> object:
        crew = RowCrew(group)  # type: ignore[arg-type]
        copy = BatchTopKDictionary(dictionary.config)
        copy.peers = crew.peers
        share = crew.share(rows)
        losses = copy.loss(share, share, context)
        losses.total.backward()
        crew.reduce_gradients(copy)
        return crew.whole(losses), copy.encoder.grad, crew.peers.smallest(losses.observed["compared"])

    wanted.total.backward()
    for found, gradient, smallest in together(4, own):
        for name, part in wanted.parts.items():
            torch.testing.assert_close(found.parts[name], part.detach())
        assert torch.equal(found.fired, wanted.fired)
        torch.testing.assert_close(found.l0, wanted.l0)
        torch.testing.assert_close(gradient, dictionary.encoder.grad)
        torch.testing.assert_close(smallest, wanted.observed["compared"].min())


def test_the_count_is_that_of_the_whole_batch() -> None:
    tiles = Tiles(torch.ones(5, 4), torch.eye(4), torch.zeros(4), None)
    chosen = together(3, lambda group: RowPeers(group).best_of_batch(tiles, 0.7))
    assert sum(len(here.contributions) for here in chosen) == int(0.7 * 15)
