"""A site's width is that of what a pass shows there, for every site of every family."""

import pytest
from oracles.tiny_models import FAMILIES, tiny, token_rows

from mechlab.core.errors import UsageError
from mechlab.models.loaders import load
from mechlab.models.site_width import site_width
from mechlab.models.sites import Site, all_sites


@pytest.mark.parametrize("family", FAMILIES)
def test_the_width_is_what_a_pass_shows(family):
    model = load(tiny(family), device="cpu")
    sites = [site for site in all_sites(model.spec) if site.kind not in ("scores", "pattern")]
    seen = model.activations(token_rows(1, 5), [*sites, "head.1.2"])
    found = {str(site): site_width(site, model.spec) for site in [*sites, Site("head", 1, 2)]}
    assert found == {name: value.flatten(2).shape[-1] for name, value in seen.items()}


@pytest.mark.parametrize("kind", ["scores", "pattern"])
def test_attention_is_no_vector_of_a_token(kind):
    with pytest.raises(UsageError, match="holds no vector for each token"):
        site_width(Site(kind, 0), load(tiny("gpt2"), device="cpu").spec)
