"""A portrait tells when a feature fires, on what, and what for: read off by brute force here."""

import numpy as np
import pytest
import torch
from oracles.planted_model import knowing_dictionary, labelled_rows
from oracles.tiny_models import tiny
from oracles.toy_model import ToyModel

from mechlab.core.errors import UsageError
from mechlab.corpora.rows import TokenRows
from mechlab.dictionaries.relu import ReluConfig, ReluDictionary
from mechlab.dictionaries.topk import TopKConfig, TopKDictionary
from mechlab.metrics.logit_effects import logit_effects
from mechlab.metrics.portraits import FeaturePortrait, PortraitConfig, portraits
from mechlab.models.loaders import load

SITE = "resid_post.1"


@pytest.fixture(scope="module")
def model():
    return load(tiny("gpt2"), device="cpu")


@pytest.fixture(scope="module")
def dictionary() -> TopKDictionary:
    return TopKDictionary(TopKConfig(d_in=32, d_sae=64, k=8))


@pytest.fixture(scope="module")
def rows(even_rows) -> TokenRows:
    return even_rows


@pytest.fixture(scope="module")
def activations(model, dictionary, rows) -> torch.Tensor:
    with torch.no_grad():
        return dictionary.encode(model.activations(rows.tokens, [SITE])[SITE]) * ~rows.special[..., None]


@pytest.fixture(scope="module")
def gallery(model, dictionary, rows) -> dict[int, FeaturePortrait]:
    return {one.feature: one for one in portraits(model, dictionary, rows, SITE, PortraitConfig(batch_rows=6))}


def test_twenty_live_features_are_portrayed(gallery, activations):
    assert len(gallery) == 20
    assert all((activations[..., feature] > 0).any() for feature in gallery)


def test_density_maximum_and_histogram_equal_a_count_by_hand(gallery, activations, rows):
    for feature, one in gallery.items():
        mine = activations[..., feature][~rows.special].numpy()
        assert one.n_tokens == len(mine)
        assert one.density.value == pytest.approx((mine > 0).mean())
        assert one.max_activation == pytest.approx(mine.max())
        expected, _ = np.histogram(mine[mine > 0], bins=np.array(one.edges, dtype=np.float32))
        assert sum(one.counts) == (mine > 0).sum()
        assert np.abs(np.array(one.counts) - expected).sum() <= 2, "but for values on an edge"


def test_the_strongest_contexts_are_the_rows_with_the_highest_peaks(gallery, activations, rows):
    for feature, one in gallery.items():
        values = activations[..., feature]
        peaks = [context.activations[context.focus] for context in one.top]
        assert peaks == values.amax(1).sort(descending=True).values[:10][: len(peaks)].tolist()
        for context in one.top:
            shown = slice(context.start, context.start + len(context.tokens))
            assert context.activations == tuple(values[context.row, shown].tolist())
            assert context.tokens == tuple(map(str, rows.tokens[context.row, shown].tolist()))
            assert context.focus <= 16 and len(context.tokens) <= 25


def test_bands_are_ordered_from_strong_to_weak_and_hold_what_they_say(gallery):
    for one in gallery.values():
        assert len(one.bands) == 4
        assert one.bands[0].high == pytest.approx(one.max_activation)
        for stronger, weaker in zip(one.bands, one.bands[1:], strict=False):
            assert stronger.low == weaker.high
        for band in one.bands:
            for context in band.contexts:
                assert band.low <= context.activations[context.focus] <= band.high


def test_promoted_and_suppressed_tokens_are_the_extremes_of_the_direct_effect(gallery, model, dictionary, rows):
    feature, one = next(iter(gallery.items()))
    direction = dictionary.W_dec[feature].detach() / dictionary.W_dec[feature].norm().detach()
    effects = logit_effects(model, direction[None], rows.tokens[:16])[0]
    order = effects.argsort(descending=True)
    assert [token for token, _ in one.promoted] == [str(token) for token in order[:10].tolist()]
    assert [token for token, _ in one.suppressed] == [str(token) for token in order.flip(0)[:10].tolist()]
    assert one.promoted[0][1] == pytest.approx(effects.max().item(), rel=1e-4)
    assert one.suppressed[0][1] == pytest.approx(effects.min().item(), rel=1e-4)


def test_logit_effects_are_those_of_one_unit_of_activation(model, rows):
    """A decoder row of norm 0.1 has a tenth of the effect of its direction at norm one."""
    small = ReluDictionary(ReluConfig(d_in=32, d_sae=16))
    (one,) = portraits(model, small, rows, SITE, PortraitConfig(features=(4,)))
    effects = logit_effects(model, small.W_dec[4:5].detach(), rows.tokens[:16])
    assert small.W_dec[4].norm().item() == pytest.approx(0.1)
    assert one.promoted[0][1] == pytest.approx(effects.max().item(), rel=1e-4)


def test_a_feature_that_knows_a_cause_is_labelled_by_it_on_rows_it_was_not_chosen_on():
    model = ToyModel()
    config = PortraitConfig(features=(3, 17))
    known, unknown = portraits(model, knowing_dictionary(model), labelled_rows(), "resid_post.0", config)
    assert known.label.name == "colour=blue" and known.label.f1.value == 1 and known.label.f1.n == 40
    assert unknown.label is None


def test_without_labels_there_is_no_label(model, dictionary, rows):
    plain = TokenRows(rows.tokens, rows.special, rows.fingerprint)
    found = portraits(model, dictionary, plain, SITE, PortraitConfig(n_features=3))
    assert [one.label for one in found] == [None] * 3


def test_equal_seeds_draw_equal_portraits(model, dictionary, rows, gallery):
    again = portraits(model, dictionary, rows, SITE, PortraitConfig(batch_rows=6))
    assert {one.feature: one for one in again} == gallery


def test_a_site_off_the_residual_stream_has_no_logit_effects(model, rows):
    dictionary = TopKDictionary(TopKConfig(d_in=model.spec.d_mlp, d_sae=64, k=8))
    (one,) = portraits(model, dictionary, rows, "mlp_post.1", PortraitConfig(n_features=1))
    assert one.promoted == one.suppressed == () and one.top


def test_a_dead_feature_can_be_asked_for(model, dictionary, rows):
    silent = TopKDictionary(TopKConfig(d_in=32, d_sae=64, k=8))
    with torch.no_grad():
        silent.b_enc[5] = -1e9
        silent.W_dec[5] = 0
    (one,) = portraits(model, silent, rows, SITE, PortraitConfig(features=(5,)))
    assert one.density.value == one.max_activation == 0
    assert one.counts == one.top == one.bands == ()


def test_a_feature_that_does_not_exist_is_refused(model, dictionary, rows):
    with pytest.raises(UsageError, match=r"no such feature: 64. Features are 0\.\.63"):
        portraits(model, dictionary, rows, SITE, PortraitConfig(features=(64,)))
