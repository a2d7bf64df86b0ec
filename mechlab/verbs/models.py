"""`mechlab models`: the built-in models and what can be loaded, or one model and its sites."""

from typing import Annotated

from pydantic import Field

from mechlab.core.config import Config as BaseConfig
from mechlab.core.progress import Progress
from mechlab.verbs.outcome import Outcome, Positional, Verb
from mechlab.views.table import Table


class Config(BaseConfig):
    """Which model, if one is asked for."""

    model: Annotated[str | None, Positional()] = Field(None, description="Built-in name, folder, or hub name.")
    device: str = Field("cpu", description="auto, cpu, cuda or mps.")


def run(config: Config, progress: Progress) -> Outcome:
    """List the built-in models and the architectures that load, or describe one model and its sites."""
    return _known() if config.model is None else _described(config.model, config.device)


VERB = Verb(Config, run)


def _known() -> Outcome:
    from mechlab.models import MODELS
    from mechlab.models.architectures import ARCHITECTURES

    names, families = list(MODELS), sorted(ARCHITECTURES)
    rows = [(name, "built in") for name in names]
    rows += [(family, "Hugging Face folder or hub name of this architecture") for family in families]
    rows += [("HookedTransformer, TransformerBridge", "an object in memory: mechlab.load(model)")]
    return Outcome({"built_in": names, "architectures": families}, (Table("Models", ("model", "how"), rows),))


def _described(name: str, device: str) -> Outcome:
    from mechlab.models.loaders import load

    model = load(name, device=device)
    facts = {**model.spec.model_dump(), "fingerprint": model.fingerprint, "processing": list(model.processing)}
    table = Table(name, ("fact", "value"), [(key, str(value)) for key, value in facts.items()])
    sites = Table("Sites", ("name",), [(site,) for site in model.sites()], note="head.L.H is one head of result.L.")
    return Outcome({"model": name, **facts, "sites": model.sites()}, (table, sites))
