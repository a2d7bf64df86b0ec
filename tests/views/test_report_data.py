"""A page's data refuse what cannot be drawn, and survive JSON."""

import pytest
from pydantic import ValidationError
from views.sample_report import sample_report

from mechlab.views.report_data import Context, Curve, Histogram, ReportData, SiteNorms


def test_a_report_survives_json():
    data = sample_report()
    assert ReportData.model_validate_json(data.model_dump_json()) == data


def test_a_curve_has_one_value_per_step():
    with pytest.raises(ValidationError, match="2 steps and 1 values"):
        Curve(name="loss", steps=[0, 1], values=[0.5])


def test_a_context_has_one_activation_per_token_and_a_focus_inside():
    with pytest.raises(ValidationError, match="2 tokens, 1 activations"):
        Context(tokens=["a", "b"], activations=[1.0], focus=0)
    with pytest.raises(ValidationError, match="focus 2"):
        Context(tokens=["a", "b"], activations=[1.0, 0.0], focus=2)


@pytest.mark.parametrize(("edges", "counts"), [([0, 1], []), ([0, 1], [3, 4]), ([1, 0], [3]), ([0], [])])
def test_a_histogram_has_rising_edges_around_its_counts(edges, counts):
    with pytest.raises(ValidationError, match="edges do not enclose"):
        Histogram(edges=edges, counts=counts)


def test_a_headline_names_a_metric_of_the_report():
    data = sample_report(1)
    with pytest.raises(ValidationError, match="headline names no metric: beauty"):
        ReportData(**(data.model_dump() | {"headline": ("beauty",)}))


def test_a_number_that_is_not_finite_is_refused():
    with pytest.raises(ValidationError, match="finite"):
        Curve(name="loss", steps=[0], values=[float("nan")])


@pytest.mark.parametrize(("counts", "of_untrained"), [((), ()), ((1, 2), (3,))])
def test_relative_norms_stand_in_the_same_bins_as_their_control(counts, of_untrained):
    with pytest.raises(ValueError, match="bins stand beside"):
        SiteNorms(site="a", counts=counts, of_untrained=of_untrained)
