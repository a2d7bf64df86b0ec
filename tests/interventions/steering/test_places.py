"""A name is a site or a kind of every layer, and what a pass reaches later cannot be read."""

import pytest
from oracles.tiny_models import tiny

from mechlab.core.errors import UnknownName, UsageError
from mechlab.interventions.steering.places import refuse_what_comes_later, sites_named
from mechlab.models.loaders import load
from mechlab.models.sites import Site

SPEC = load(tiny("gpt2"), device="cpu").spec


def test_names_are_sites_and_kinds_are_those_of_every_layer():
    found = sites_named(("mlp_out", "resid_pre.2", "head.1.3", "embed"), SPEC)
    assert [str(site) for site in found] == ["mlp_out.0", "mlp_out.1", "mlp_out.2", "resid_pre.2", "head.1.3", "embed"]


@pytest.mark.parametrize("name", ["resid_post.3", "head.0.4", "resid", "layer.1"])
def test_a_place_the_model_does_not_have_is_refused(name):
    with pytest.raises(UnknownName):
        sites_named((name,), SPEC)


def test_a_site_named_twice_is_refused():
    with pytest.raises(UsageError, match="site is there twice"):
        sites_named(("mlp_out.1", "mlp_out"), SPEC)


def test_only_what_comes_before_can_be_read():
    refuse_what_comes_later(Site("resid_pre", 1), Site("resid_post", 1), SPEC)
    refuse_what_comes_later(Site("head", 0, 2), Site("resid_post", 0), SPEC)
    for read, site in [(Site("resid_post", 1), Site("resid_pre", 1)), (Site("resid_pre", 2), Site("mlp_out", 1))]:
        with pytest.raises(UsageError, match="gate reads what is not there yet"):
            refuse_what_comes_later(read, site, SPEC)
