"""What directions are found from: a model and a place in it, and whatever a kind needs beside them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jaxtyping import Float
from torch import Tensor

from mechlab.circuits.channels.head_circuits import HeadCircuits
from mechlab.circuits.directions.examples import Examples
from mechlab.circuits.observables.pulling import StopPoint
from mechlab.core.errors import UsageError
from mechlab.dictionaries.dictionary import Dictionary
from mechlab.interventions.transcoder_set import TranscoderSet
from mechlab.models.language_model import LanguageModel
from mechlab.models.site_width import site_width
from mechlab.models.sites import Site

MEANING = {
    "site": "a site, such as resid_post.2",
    "examples": "labelled examples, such as examples_of_texts gives",
    "dictionary": "a dictionary that writes at the site, or a set of transcoders",
    "largest": "each feature's largest activation, as largest_activations gives",
}


@dataclass(frozen=True, eq=False)
class DirectionMaterial:
    """A model, and what is there to find directions from; a kind says what it lacks.

    Attributes:
        model: whose directions.
        site: where; kinds that follow from weights know their own.
        examples: labelled vectors read at the site.
        dictionary: whose features write at the site; or transcoders of all layers, whose sites are known.
        largest: the largest activation of each of its features on some text.
        circuits: of the model's heads; None decomposes them when they are asked for.
        points: where the stops of an observable's path are linearised, by name.
    """

    model: LanguageModel
    site: str | Site | None = None
    examples: Examples | None = None
    dictionary: Dictionary | TranscoderSet | None = None
    largest: Float[Tensor, "n_features"] | None = None
    circuits: HeadCircuits | None = None
    points: Mapping[str, StopPoint] | None = None

    def need(self, part: str) -> Any:
        """Return a part.

        Raises:
            UsageError: it is not there; the message tells what is needed.
        """
        found = getattr(self, part)
        if found is None:
            raise UsageError("direction cannot be found without this", value=part, remedy=f"Pass {MEANING[part]}.")
        return found

    def place(self, width: int, what: str) -> str:
        """Return the site's canonical name, where what is to point there is as wide as it.

        Raises:
            UnknownName: this model has no such site.
            UsageError: there is no site, or the width is another.
        """
        name = str(Site.parse(self.need("site"), self.model.spec))
        own = site_width(Site.parse(name, self.model.spec), self.model.spec)
        if width != own:
            remedy = f"{name} of {self.model.name} has width {own}."
            raise UsageError(f"{what} does not fit the site", value=width, remedy=remedy)
        return name

    def own_examples(self) -> Examples:
        """Return the examples, if they were read from this model at this site.

        Raises:
            UsageError: there are none, or they were read elsewhere.
        """
        examples: Examples = self.need("examples")
        if examples.model != self.model.fingerprint:
            remedy = f"They are of {examples.model[:12]}, {self.model.name} is {self.model.fingerprint[:12]}."
            raise UsageError("examples are of another model", value=examples.site, remedy=remedy)
        if self.site is not None and str(Site.parse(self.site, self.model.spec)) != examples.site:
            remedy = f"The site asked for is {self.site}."
            raise UsageError("examples are of another site", value=examples.site, remedy=remedy)
        return examples
