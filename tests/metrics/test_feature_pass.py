"""One pass gathers what a table of all codes says: counted, sorted and drawn here by brute force."""

import numpy as np
import pytest
import torch
from scipy.stats import chisquare

from mechlab.core.hashed_order import hashed_order
from mechlab.corpora.rows import TokenRows
from mechlab.metrics.active_codes import ActiveCodes
from mechlab.metrics.feature_pass import FeaturePass, Gathering
from mechlab.metrics.labels import Classes

N_ROWS, POS, F = 60, 12, 6
HOW = Gathering(n_top=5, n_sampled=7, n_before=3, n_after=2, n_bins=16, seed=0)


def text(seed: int = 0) -> tuple[TokenRows, torch.Tensor]:
    """Return rows of few words, each told twice, and codes with many ties; feature 5 is dead."""
    draw = torch.Generator().manual_seed(seed)
    tokens = torch.randint(1, 4, (N_ROWS, POS), generator=draw).int()
    special = torch.rand(N_ROWS, POS, generator=draw) < 0.1
    codes = (torch.rand(N_ROWS, POS, F, generator=draw) * 8 - 5).relu().ceil() * torch.tensor([1, 0.5, 3, 1e4, 1e-3, 0])
    tokens[1::2], special[1::2], codes[1::2, :, :3] = tokens[::2], special[::2], codes[::2, :, :3]
    return TokenRows(tokens, special, "text"), codes * ~special[..., None]


def listed(rows: TokenRows, codes: torch.Tensor) -> ActiveCodes:
    place = (~rows.special).flatten().nonzero()[:, 0]
    token, feature = (codes.flatten(0, 1)[place] > 0).nonzero(as_tuple=True)
    return ActiveCodes(F, POS, place, token, feature, codes.flatten(0, 1)[place][token, feature])


def gathered(rows: TokenRows, codes: torch.Tensor, batch_rows: int, how: Gathering = HOW) -> FeaturePass:
    found = FeaturePass(F, Classes.of({}), how)
    for start in range(0, len(rows), batch_rows):
        part = rows.select(slice(start, start + batch_rows))
        found.update(listed(part, codes[start : start + batch_rows]), part)
    return found


def window(rows: TokenRows, codes: torch.Tensor, row: int, position: int, feature: int) -> tuple[list, list]:
    places = range(position - HOW.n_before, position + HOW.n_after + 1)
    inside = [0 <= p < POS for p in places]
    tokens = [int(rows.tokens[row, p]) if there else -1 for p, there in zip(places, inside, strict=True)]
    values = [float(codes[row, p, feature]) if there else 0.0 for p, there in zip(places, inside, strict=True)]
    return tokens, values


@pytest.mark.parametrize("batch_rows", [1, 7, 60])
def test_counts_are_those_of_the_whole_table(batch_rows):
    rows, codes = text()
    found = gathered(rows, codes, batch_rows)
    assert (found.n_rows, found.n_tokens) == (N_ROWS, int((~rows.special).sum()))
    assert torch.equal(found.fires, (codes > 0).sum((0, 1)).double())
    torch.testing.assert_close(found.total, codes.double().sum((0, 1)), rtol=1e-12, atol=0)
    assert torch.equal(found.largest, codes.amax((0, 1)))
    for feature in range(F - 1):
        mine = codes[..., feature][codes[..., feature] > 0].numpy()
        expected, _ = np.histogram(mine, bins=16, range=(0, float(found.histograms.top[feature])))
        assert found.histograms.counts[0, feature].tolist() == expected.tolist()


def test_the_standard_error_of_the_frequency_is_that_of_redrawn_rows():
    rows, codes = text()
    codes[: N_ROWS // 3] = 0  # rows differ
    found = gathered(rows, codes, 7)
    draw = np.random.default_rng(0)
    fires, scored = (codes > 0).sum(1).numpy(), (~rows.special).sum(1).numpy()
    shares = []
    for _ in range(2000):
        again = draw.integers(0, N_ROWS, N_ROWS)
        shares.append(fires[again].sum(0) / scored[again].sum())
    np.testing.assert_allclose(found.frequency_error()[:-1], np.std(shares, axis=0)[:-1], rtol=0.1)
    assert found.frequency_error()[-1] == 0


@pytest.mark.parametrize("batch_rows", [1, 7, 60])
@pytest.mark.parametrize("seed", range(3))
def test_the_strongest_are_one_a_row_and_no_two_in_the_same_text(batch_rows, seed):
    rows, codes = text(seed)
    found, repeated = gathered(rows, codes, batch_rows), 0
    for feature in range(F):
        values = codes[..., feature]
        candidates = [
            (-float(line.max()), row, int(line.argmax())) for row, line in enumerate(values) if line.max() > 0
        ]
        expected, texts = [], set()
        for _, row, position in sorted(candidates):
            tokens, around = window(rows, codes, row, position, feature)
            repeated += tuple(tokens) in texts and len(expected) < 5
            if tuple(tokens) not in texts and len(expected) < 5:
                texts.add(tuple(tokens))
                expected.append((row * POS + position, tokens, around))
        there = found.top.filled[feature]
        assert found.top.place[feature][there].tolist() == [line[0] for line in expected]
        if expected:
            assert found.top.payload["tokens"][feature][there].tolist() == [line[1] for line in expected]
            assert found.top.payload["values"][feature][there].tolist() == [line[2] for line in expected]
    assert repeated, "the same text came twice among the strongest, or the test tests nothing"


def test_the_row_and_what_follows_are_kept_for_the_strongest():
    rows, codes = text()
    found = gathered(rows, codes, 7).top
    for feature in range(F - 1):
        for slot, place in enumerate(found.place[feature].tolist()):
            row, position = divmod(place, POS)
            assert torch.equal(found.payload["row"][feature, slot], rows.tokens[row])
            assert found.payload["position"][feature, slot] == position
            counts = position + 1 < POS and not rows.special[row, position + 1]
            assert found.payload["following"][feature, slot] == (rows.tokens[row, position + 1] if counts else -1)


@pytest.mark.parametrize("batch_rows", [1, 7, 60])
def test_the_sample_are_the_tokens_with_the_smallest_hashes(batch_rows):
    rows, codes = text()
    found = gathered(rows, codes, batch_rows).sampled
    for feature in range(F):
        places = (codes[..., feature] > 0).flatten().nonzero()[:, 0]
        hashes = hashed_order(places * F + feature, 0, "examples of features")
        expected = places[hashes.argsort()][:7].tolist()
        there = found.filled[feature]
        assert found.place[feature][there].tolist() == expected
        for slot, place in enumerate(expected):
            tokens, values = window(rows, codes, *divmod(place, POS), feature)
            assert found.payload["tokens"][feature, slot].tolist() == tokens
            assert found.payload["values"][feature, slot].tolist() == values


def test_every_token_a_feature_fires_on_is_as_often_in_the_sample():
    rows, codes = text()
    rows, codes = rows.select(slice(0, 8)), codes[:8]
    drawn = torch.zeros(F, 8 * POS)
    for seed in range(80):
        sampled = gathered(rows, codes, 8, Gathering(1, 4, 0, 0, 16, seed)).sampled
        for feature in range(F):
            drawn[feature, sampled.place[feature][sampled.filled[feature]]] += 1
    for feature in range(F - 1):
        fires = (codes[..., feature] > 0).flatten()
        assert drawn[feature][~fires].sum() == 0 and drawn[feature].sum() == 4 * 80
        assert chisquare(drawn[feature][fires].numpy()).pvalue > 1e-3
