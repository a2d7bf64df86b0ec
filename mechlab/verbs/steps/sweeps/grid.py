"""The members of a sweep: one training run for each site, size, value of the kind's options, and seed."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

from mechlab.core.config import build
from mechlab.core.errors import ConfigError, UsageError
from mechlab.dictionaries import KINDS
from mechlab.store.manifest import Identity
from mechlab.verbs.outcome import is_list
from mechlab.verbs.steps.opening import Subject, at_place, open_subject
from mechlab.verbs.steps.training.fitting import dictionary_config, training_config
from mechlab.verbs.steps.training.run import identity_of
from mechlab.verbs.sweep_options import SweepOptions
from mechlab.verbs.train_options import TrainOptions

BOTH = "+"


@dataclass(frozen=True, eq=False)
class Member:
    """One dictionary of a sweep: its options, as `train` would be given them, and where it is trained.

    Attributes:
        settings: site, features and the kind's options that were asked for: all that tells it from others but the seed.
    """

    name: str
    settings: dict[str, Any]
    options: TrainOptions
    subject: Subject
    identity: Identity

    @property
    def seed(self) -> int:
        """Return the seed of its first weights."""
        return self.options.seed if self.options.init_seed is None else self.options.init_seed


def open_members(options: SweepOptions) -> tuple[Member, ...]:
    """Return the grid's members, the model opened once; no text is read yet.

    Raises:
        UsageError: a list is empty, a site is unknown or there twice, or a member cannot be; the message names it.
    """
    first = open_subject(_plain(options, options.sites[0]))
    subjects = [at_place(first, _plain(options, site)) for site in options.sites]
    members = tuple(member for subject in subjects for member in _at(options, subject))
    names = [member.name for member in members]
    if twice := [name for name in names if names.count(name) > 1]:
        raise UsageError("two members of the sweep are the same", value=twice[0], remedy="Give every value once.")
    return members


def _at(options: SweepOptions, subject: Subject) -> Iterator[Member]:
    axes = _axes(options)
    for features, *values, seed in product(options.features, *axes.values(), options.seeds):
        yield _member(options, subject, {"features": features, **dict(zip(axes, values, strict=True))}, seed)


def _member(options: SweepOptions, subject: Subject, settings: dict[str, Any], seed: int) -> Member:
    site = str(subject.route)
    given = {key: value for key, value in settings.items() if key != "features"}
    plain = _plain(options, subject.config.site, settings["features"], given)
    shown = "-".join([site, *(f"{key}{value}" for key, value in settings.items()), f"seed{seed}"])
    try:
        own = dictionary_config(plain, *subject.widths)
        typed = {key: getattr(own, key) for key in given}
        update = {"dictionary": typed, "init_seed": None if seed == options.seed else seed}
        train = plain.model_copy(update=update)
        training_config(train)
        identity = identity_of(train, subject)
    except (ConfigError, UsageError) as error:
        raise ConfigError(f"member {shown} cannot be: {error}") from None
    named = {"site": site, "features": settings["features"], **typed}
    name = "-".join([_word(site), str(settings["features"]), *(_word(f"{k}{v}") for k, v in typed.items())])
    return Member(f"{name}-seed{seed}", named, train, subject, identity)


def _axes(options: SweepOptions) -> dict[str, list[Any]]:
    """Return the values of each of the kind's own keys; several of what is a list by nature are a list of lists."""
    own = KINDS[options.kind].Config.model_fields
    axes: dict[str, list[Any]] = {}
    for key, value in options.dictionary.items():
        whole = key in own and is_list(own[key].annotation) and not any(isinstance(v, list | tuple) for v in value)
        axes[key] = list(value) if isinstance(value, list | tuple) and not whole else [value]
        if not axes[key] or "" in axes[key]:
            raise ConfigError(f"{key} of the sweep is empty", remedy=f"Give at least one value, as --{key} 8,16.")
    return axes


def _plain(options: SweepOptions, site: str, features: int | None = None, own: Any = None) -> TrainOptions:
    """Return the options `train` would be given; where to put the run is not among them."""
    shared = options.model_dump(include={*TrainOptions.model_fields} - {"out", "features", "dictionary"})
    where = {"site": site.replace(BOTH, ","), "features": features or options.features[0], "dictionary": own or {}}
    return build(TrainOptions, {**shared, **where})


def _word(text: str) -> str:
    return re.sub(r"[^\w.]+", "_", text).strip("_")
