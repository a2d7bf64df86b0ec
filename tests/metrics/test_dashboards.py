"""Dashboards of all features are what brute force finds, however text is cut, and are the same each time."""

import pytest
import torch
from oracles.planted_model import knowing_dictionary, labelled_rows
from oracles.tiny_models import tiny
from oracles.tiny_texts import ListCorpus, word_tokenizer
from oracles.toy_model import ToyModel

from mechlab.core.errors import UsageError
from mechlab.corpora.documents import Document
from mechlab.corpora.row_stream import RowStream
from mechlab.corpora.rows import TokenRows, pack
from mechlab.dictionaries.batchtopk import BatchTopKConfig, BatchTopKDictionary
from mechlab.dictionaries.crosslayer_transcoder import CrosslayerTranscoder
from mechlab.dictionaries.topk import TopKConfig, TopKDictionary
from mechlab.interventions.splice import splice
from mechlab.metrics.dashboards import DashboardConfig, dashboards
from mechlab.metrics.feature_table import FeatureTable
from mechlab.models.loaders import load

SITE = "resid_post.1"
SMALL = DashboardConfig(n_top=4, n_sampled=30, n_bands=3, n_per_band=2, n_before=5, n_after=3, batch_rows=6)


@pytest.fixture(scope="module")
def model():
    return load(tiny("gpt2"), device="cpu")


@pytest.fixture(scope="module")
def dictionary() -> TopKDictionary:
    made = TopKDictionary(TopKConfig(d_in=32, d_sae=40, k=6)).eval()
    with torch.no_grad():
        made.b_enc[7] = -1e9
    return made


@pytest.fixture(scope="module")
def rows(even_rows) -> TokenRows:
    return even_rows


@pytest.fixture(scope="module")
def codes(model, dictionary, rows) -> torch.Tensor:
    with torch.no_grad():
        return dictionary.encode(model.activations(rows.tokens, [SITE])[SITE]) * ~rows.special[..., None]


@pytest.fixture(scope="module")
def table(model, dictionary, rows) -> FeatureTable:
    return dashboards(model, dictionary, rows, SITE, SMALL)


def test_frequency_mean_and_maximum_are_those_of_all_codes(table, codes, rows):
    n = (~rows.special).sum()
    assert table.facts.n_tokens == n and table.facts.n_rows == 41
    torch.testing.assert_close(table.frequency, (codes > 0).sum((0, 1)).double() / n)
    fired = (codes > 0).sum((0, 1)).clamp(min=1)
    torch.testing.assert_close(table.mean, codes.double().sum((0, 1)) / fired, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(table.columns["largest"], codes.amax((0, 1)))
    assert torch.equal(table.columns["histogram"].sum(1).long(), (codes > 0).sum((0, 1)))


def test_the_strongest_contexts_are_the_rows_with_the_highest_peaks(table, codes, rows):
    for feature in range(len(table)):
        values, shown = codes[..., feature], table.top(feature)
        peaks = values.amax(1).sort(descending=True).values
        torch.testing.assert_close(
            torch.tensor([one.activations[one.focus] for one in shown]), peaks[peaks > 0][: len(shown)]
        )
        for one in shown:
            there = slice(one.start, one.start + len(one.tokens))
            assert one.tokens == tuple(map(str, rows.tokens[one.row, there].tolist()))
            torch.testing.assert_close(torch.tensor(one.activations), values[one.row, there], rtol=1e-4, atol=1e-5)
            assert len(one.tokens) == min(30, one.start + one.focus + 4) - one.start and one.focus <= 5


def test_bands_hold_what_they_say_and_their_edges_part_the_tokens_evenly(table, codes):
    for feature in range(len(table)):
        edges, bands = table.columns["edges"][feature], table.bands(feature)
        values = codes[..., feature][codes[..., feature] > 0].double()
        if len(values) < 60:
            continue
        for low, high, contexts in zip(edges, edges[1:], bands, strict=False):
            assert 0.15 < ((values > low) & (values <= high)).double().mean() < 0.55
            assert len(contexts) == 2 or len(values) < 100
            assert all(low - 1e-6 <= one.activations[one.focus] <= high + 1e-6 for one in contexts)


def test_a_dead_feature_has_no_contexts_and_divides_nothing_by_zero(table):
    assert table.columns["fires"][7] == 0 and table.top(7) == () and table.bands(7) == ((), (), ())
    assert table.mean[7] == table.frequency[7] == table.columns["largest"][7] == 0
    assert table.columns["removal_loss"][7].isnan().all()
    assert all(column.isfinite().all() for name, column in table.columns.items() if not name.startswith("removal"))


def test_taking_a_feature_away_is_what_splicing_it_out_does(table, model, dictionary, rows):
    compared = 0
    for feature in range(0, 40, 3):
        for slot, one in enumerate(table.top(feature)[:2]):
            position = one.start + one.focus
            if position + 1 >= rows.row_length or rows.special[one.row, position + 1]:
                assert table.columns["removal_loss"][feature, slot].isnan()
                continue
            tokens = rows.tokens[one.row : one.row + 1].long()

            def off(codes: torch.Tensor, feature=feature, position=position) -> torch.Tensor:
                changed = codes.clone()
                changed[:, position, feature] = 0
                return changed

            def loss(position=position, tokens=tokens) -> torch.Tensor:
                return -model.logits(tokens)[0, position].double().log_softmax(-1)[tokens[0, position + 1]]

            with torch.no_grad():
                clean = loss()
                with splice(model, dictionary, SITE, change=off, error=True):
                    without = loss()
            torch.testing.assert_close(
                table.columns["removal_loss"][feature, slot], without - clean, rtol=1e-3, atol=1e-5
            )
            compared += 1
    assert compared > 10


def test_the_control_is_taken_away_at_the_feature_s_norm(model, rows):
    """Where all features have one direction, another feature at the same norm does what the feature does."""
    alike = TopKDictionary(TopKConfig(d_in=32, d_sae=40, k=6)).eval()
    with torch.no_grad():
        alike.W_dec.copy_((torch.rand(40, 1) + 0.5) * alike.W_dec[:1])
    columns = dashboards(model, alike, rows, SITE, SMALL).columns
    torch.testing.assert_close(
        columns["removal_loss"], columns["removal_control_loss"], rtol=1e-3, atol=1e-5, equal_nan=True
    )
    torch.testing.assert_close(
        columns["removal_divergence"], columns["removal_control_divergence"], rtol=1e-3, atol=1e-5, equal_nan=True
    )


def same(one: FeatureTable, other: FeatureTable, *, but: tuple[str, ...] = ()) -> bool:
    assert one.facts == other.facts and one.columns.keys() == other.columns.keys()
    return all(
        torch.equal(a.nan_to_num(-9), other.columns[name].nan_to_num(-9))
        for name, a in one.columns.items()
        if name not in but
    )


def test_the_same_config_gives_the_same_numbers(model, dictionary, rows, table):
    assert same(table, dashboards(model, dictionary, rows, SITE, SMALL))


def test_another_seed_draws_other_examples_and_the_same_counts(model, dictionary, rows, table):
    other = dashboards(model, dictionary, rows, SITE, SMALL.model_copy(update={"seed": 1}))
    assert torch.equal(other.columns["fires"], table.columns["fires"])
    assert torch.equal(other.columns["top_place"], table.columns["top_place"])
    assert not torch.equal(other.columns["band_place"], table.columns["band_place"])


def test_text_read_block_by_block_gives_what_text_read_at_once_gives(model, dictionary):
    words = word_tokenizer([f"w{i}" for i in range(50)])
    corpus = ListCorpus([Document(" ".join(f"w{(i * i + 3 * j) % 50}" for j in range(9))) for i in range(90)])
    whole = pack(corpus, words, row_length=12, n_tokens=600)
    at_once = dashboards(model, dictionary, whole, SITE, SMALL)
    streamed = dashboards(model, dictionary, RowStream(corpus, words, 12, 600), SITE, SMALL)
    assert same(at_once, streamed)


def test_a_threshold_stands_in_for_the_batch_at_inference(model, rows):
    dictionary = BatchTopKDictionary(BatchTopKConfig(d_in=32, d_sae=40, k=4)).eval()
    dictionary.topk_threshold.fill_(0.05)
    found = {
        batch_rows: dashboards(model, dictionary, rows, SITE, SMALL.model_copy(update={"batch_rows": batch_rows}))
        for batch_rows in (5, 41)
    }
    assert torch.equal(found[5].columns["fires"], found[41].columns["fires"])
    there = found[5].columns["band_place"] >= 0
    assert there.sum() > 20 and found[5].columns["band_values"][there][:, 5].min() > 0.05


def test_a_cross_layer_transcoder_has_dashboards_too(model, rows):
    n = model.spec.n_layers
    dictionary = CrosslayerTranscoder(CrosslayerTranscoder.Config(d_in=32 * n, d_out=32 * n, d_sae=8 * n, n_layers=n))
    table = dashboards(model, dictionary.eval(), rows, "mlp", SMALL)
    assert len(table) == 8 * n and table.logits(0, "top") and table.columns["removal_divergence"].nanmean() > 0


def test_a_known_cause_is_found_beside_chance():
    model = ToyModel()
    table = dashboards(model, knowing_dictionary(model), labelled_rows(400), "resid_post.0", DashboardConfig())
    best = table.columns["cause"]
    assert table.facts.causes[best[3]] == "colour=blue"
    assert table.columns["cause_f1"][3] == 1 and table.columns["cause_by_chance"][3] < 0.2


def test_nothing_but_special_tokens_is_refused(model, dictionary, rows):
    silent = TokenRows(rows.tokens, torch.ones_like(rows.special), "silent")
    with pytest.raises(UsageError, match="no tokens to look at features on"):
        dashboards(model, dictionary, silent, SITE, SMALL)
