"""The places in a model that a spec names: one site, the same site of every layer, and which place comes first."""

from collections.abc import Sequence

from mechlab.core.errors import UsageError
from mechlab.models.sites import Site, all_sites
from mechlab.models.spec import ModelSpec


def sites_named(names: Sequence[str], spec: ModelSpec) -> tuple[Site, ...]:
    """Return the sites; a kind without a layer, such as `resid_post`, stands for that of every layer.

    Raises:
        UnknownName: this model has no such site.
        UsageError: a site is there twice.
    """
    by_kind: dict[str, list[Site]] = {}
    for site in all_sites(spec):
        by_kind.setdefault(site.kind, []).append(site)
    found = [site for name in names for site in by_kind.get(name) or [Site.parse(name, spec)]]
    twice = [str(site) for place, site in enumerate(found) if site in found[:place]]
    if twice:
        raise UsageError("site is there twice", value=twice[0], remedy="Name each once.")
    return tuple(found)


def refuse_what_comes_later(read: Site, site: Site, spec: ModelSpec) -> None:
    """Refuse to read a place that a pass has not reached when it is at a site.

    Raises:
        UsageError: it does not come before the site.
    """
    order = {one: place for place, one in enumerate(all_sites(spec))}
    early, late = (order[Site("result", one.layer) if one.kind == "head" else one] for one in (read, site))
    if early >= late:
        raise UsageError("gate reads what is not there yet", value=str(read), remedy=f"Read before {site}.")
