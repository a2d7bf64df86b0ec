"""Every feature's best cause is chosen on one half of the rows and measured on the other; chance has none."""

import pytest
import torch
from oracles.planted_model import knowing_dictionary, labelled_rows
from oracles.toy_model import ToyModel

from mechlab.corpora.rows import TokenRows
from mechlab.metrics.active_codes import ActiveCodes
from mechlab.metrics.feature_causes import CauseCounts, CauseFits
from mechlab.metrics.labels import Classes
from mechlab.metrics.passes import at_site

SITE = "resid_post.0"


def fits_of(rows: TokenRows, batch_rows: int, least: int = 10, noise: float = 0.0) -> tuple[CauseFits, torch.Tensor]:
    """Return the fits, and the table of all codes."""
    model = ToyModel()
    dictionary = knowing_dictionary(model)
    if noise:
        with torch.no_grad():
            dictionary.encoder += noise * torch.randn(
                dictionary.encoder.shape, generator=torch.Generator().manual_seed(1)
            )
    classes = Classes.of(rows.label_names)
    counts, codes = CauseCounts(classes, dictionary.config.d_sae), []
    with torch.no_grad():
        for batch in at_site(model, rows, SITE, batch_rows, "x"):
            counts.update(ActiveCodes.of(dictionary, batch), batch.rows)
            codes.append(dictionary.encode(batch.inputs) * batch.scored[..., None])
    return counts.fits(least), torch.cat(codes)


def test_a_feature_that_knows_a_class_fits_it_and_nothing_by_chance():
    fits, _ = fits_of(labelled_rows(400), 80)
    for feature, name in {1: "colour=red", 3: "colour=blue", 11: "shape=round", 12: "shape=square"}.items():
        assert fits.names[fits.best[feature]] == name and fits.f1[feature] == 1
        assert fits.by_chance[feature] < 0.15


def test_a_feature_that_never_fires_fits_nothing():
    rows = labelled_rows(80)
    rows.tokens[rows.tokens == 17] = 18
    fits, codes = fits_of(rows, 16)
    assert (codes[..., 17] > 0).sum() == 0
    assert fits.best[17] == -1 and fits.f1[17] == fits.by_chance[17] == fits.threshold[17] == 0


@pytest.mark.parametrize("noise", [0.3, 1.0])
def test_f1_is_a_count_by_hand_on_the_rows_in_between(noise):
    rows = labelled_rows(160)
    fits, codes = fits_of(rows, 16, noise=noise)
    scored, compared = ~rows.special, 0
    for feature in range(codes.shape[-1]):
        if fits.best[feature] < 0:
            continue
        label, _, value = fits.names[fits.best[feature]].partition("=")
        positive = (rows.labels[label] == rows.label_names[label].index(value))[1::2] & scored[1::2]
        values = codes[1::2, :, feature]
        yes = (values > 0) & (values >= fits.threshold[feature]) & scored[1::2]
        expected = 2 * (yes & positive).sum() / (yes.sum() + positive.sum())
        assert fits.f1[feature] == pytest.approx(float(expected), abs=1e-6)
        compared += 1
    assert compared > 5


def test_the_cause_is_the_best_of_all_on_the_rows_chosen_on():
    """At thresholds as fine as activations, no other class has a higher F1 by more than what bins may hide."""
    rows = labelled_rows(160)
    fits, codes = fits_of(rows, 16, noise=0.5)
    half = ~rows.special[::2]
    compared = (fits.best >= 0).nonzero()[:, 0].tolist()
    assert len(compared) > 5
    for feature in compared:
        values = codes[::2, :, feature][half]
        best = {}
        for label, names in rows.label_names.items():
            for number, name in enumerate(names):
                positive = (rows.labels[label][::2] == number)[half]
                levels = values[values > 0].unique()
                hits = [2 * ((values >= t) & positive).sum() / ((values >= t).sum() + positive.sum()) for t in levels]
                best[f"{label}={name}"] = float(max(hits, default=0)) if positive.sum() >= 10 else 0.0
        assert best[fits.names[fits.best[feature]]] > max(best.values()) - 0.05


def test_classes_too_rare_in_either_half_are_left_out():
    fits, _ = fits_of(labelled_rows(80), 16, least=10_000)
    assert (fits.best == -1).all() and (fits.f1 == 0).all()


def test_a_corpus_without_labels_has_no_fits():
    rows = labelled_rows(20)
    fits, _ = fits_of(TokenRows(rows.tokens, rows.special, "plain"), 5)
    assert fits.names == () and (fits.best == -1).all()
