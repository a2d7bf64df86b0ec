"""Codes start where vectors are, and come back to where vectors are."""

import pytest
import torch
from sklearn.cluster import KMeans

from mechlab.dictionaries.codebook import Codebook, CodebookConfig
from mechlab.dictionaries.upkeep import drawn_rows, revive, spherical_centres, start_from


def draw(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def bundles(n_directions: int, n_rows: int, width: int = 16) -> tuple[torch.Tensor, torch.Tensor]:
    """Return rows near a few directions at any length, and which direction each is near."""
    directions = torch.nn.functional.normalize(torch.randn(n_directions, width, generator=draw(1)), dim=-1)
    which = torch.randint(n_directions, (n_rows,), generator=draw(2))
    rows = directions[which] + 0.03 * torch.randn(n_rows, width, generator=draw(3))
    return rows * (1 + 4 * torch.rand(n_rows, 1, generator=draw(4))), which


def mean_cosine(rows: torch.Tensor, centres: torch.Tensor) -> float:
    unit = torch.nn.functional.normalize
    return float((unit(rows, dim=-1) @ unit(centres, dim=-1).T).amax(1).mean())


def test_centres_are_as_near_as_those_of_euclidean_kmeans_on_the_sphere() -> None:
    rows, _ = bundles(6, 2000)
    unit = torch.nn.functional.normalize(rows, dim=-1)
    theirs = KMeans(24, n_init=1, random_state=0, max_iter=30).fit(unit.numpy()).cluster_centers_
    ours = spherical_centres(rows, 24, draw(), n_iterations=30)
    assert mean_cosine(rows, ours) >= mean_cosine(rows, torch.from_numpy(theirs)) - 0.002


def test_a_centre_is_the_mean_of_what_is_nearest_to_it() -> None:
    rows, _ = bundles(5, 1000)
    centres = spherical_centres(rows, 5, draw(7), n_iterations=40)
    owner = (rows @ torch.nn.functional.normalize(centres, dim=-1).T).argmax(1)
    for number in owner.unique():
        torch.testing.assert_close(centres[number], rows[owner == number].mean(0), rtol=1e-4, atol=1e-4)


def test_iterations_bring_centres_nearer() -> None:
    rows, _ = bundles(40, 3000)
    ends = [mean_cosine(rows, spherical_centres(rows, 20, draw(), n)) for n in (0, 1, 8)]
    assert ends[0] < ends[1] < ends[2]


@pytest.mark.parametrize(("combine", "k"), [("mean", 1), ("mean", 3), ("sum", 1), ("sum", 3)])
def test_codes_started_from_vectors_stand_for_them_better_than_drawn_ones(combine: str, k: int) -> None:
    rows = torch.cat([bundles(12, 1500)[0], bundles(9, 1500)[0]], dim=1)
    book = Codebook(CodebookConfig(d_in=32, n_codes=20, n_groups=2, k=k, combine=combine))  # type: ignore[arg-type]
    before = float(book.snap(rows).error)
    start_from(book, rows, draw())
    assert float(book.snap(rows).error) < 0.5 * before
    assert len(book.nearest(rows).unique()) > 35


def test_only_unused_codes_move_and_land_on_vectors_of_the_batch() -> None:
    book, rows = Codebook(CodebookConfig(d_in=8, n_codes=6, n_groups=2)), torch.randn(30, 8, generator=draw())
    before, unused = book.codes.detach().clone(), torch.zeros(12, dtype=torch.bool)
    unused[[0, 4, 7]] = True
    revive(book, unused, rows, draw(1))
    assert torch.equal(book.codes[~unused], before[~unused])
    for code, part in ((0, rows[:, :4]), (4, rows[:, :4]), (7, rows[:, 4:])):
        distances = (part - book.codes[code].detach()).norm(dim=1) / part.norm(dim=1)
        assert 0 < float(distances.min()) < 0.01


def test_as_many_rows_as_asked_are_drawn_without_repeats_while_there_are_enough() -> None:
    rows = torch.arange(10.0)[:, None]
    assert drawn_rows(rows, 10, draw()).flatten().sort().values.tolist() == rows.flatten().tolist()
    assert len(drawn_rows(rows, 25, draw())) == 25


def test_no_centre_is_left_without_rows_it_could_have() -> None:
    """Eight of ten first draws fall on one row's copies, whose centres get nothing after the first."""
    rows = torch.cat([torch.ones(80, 4), torch.randn(20, 4, generator=draw(3))])
    centres = spherical_centres(rows, 10, draw(1), n_iterations=30)
    owner = (rows @ torch.nn.functional.normalize(centres, dim=-1).T).argmax(1)
    assert len(owner.unique()) >= 9
    assert bool((centres.norm(dim=1) > 0).all())


def test_normalised_vectors_keep_the_spread_that_vectors_had_at_the_start() -> None:
    rows = 7 * torch.randn(300, 16, generator=draw())
    book = Codebook(CodebookConfig(d_in=16, n_codes=8))
    start_from(book, rows, draw())
    assert float(book.scale) == pytest.approx(7, rel=0.1)
    spread = book.normalised(3 * rows).std(dim=-1, correction=0)
    torch.testing.assert_close(spread, torch.full_like(spread, float(book.scale)), rtol=1e-3, atol=0)
