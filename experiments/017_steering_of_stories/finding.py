"""Directions of a cause, by kind and site, from the same labelled rows, pairs of texts and dictionaries."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from causes import Cause, text_pairs
from torch import Tensor

import mechlab
from mechlab.circuits.channels.head_circuits import HeadCircuits
from mechlab.circuits.directions.direction import Direction, directed
from mechlab.circuits.directions.examples import Examples
from mechlab.circuits.observables.observable import Observable, less
from mechlab.corpora.rows import TokenRows
from mechlab.dictionaries.dictionary import Dictionary
from mechlab.metrics.causes import labelled_cause, regex_cause, right_before
from mechlab.models.language_model import LanguageModel

PROMPT = "It was"
LAST = "resid_post.3"


@dataclass(frozen=True, eq=False)
class Material:
    """What a cause's directions are found from.

    Attributes:
        model: whose.
        asked: the cause.
        rows: labelled rows.
        dictionaries: by the site they read.
        circuits: of the model's heads.
        n_pairs: how many pairs of texts.
        seed: of the pairs, and of what is drawn.
    """

    model: LanguageModel
    asked: Cause
    rows: TokenRows
    dictionaries: Mapping[str, Dictionary]
    circuits: HeadCircuits
    n_pairs: int
    seed: int
    kept: dict[str, Examples] = field(default_factory=dict)
    gates: dict[str, tuple[Tensor, float]] = field(default_factory=dict)

    def examples(self, site: str) -> Examples:
        """Return what a site holds where a word of the kind comes next, in stories known to be about a class of it.

        Positive are those about the cause.
        """
        if site not in self.kept:
            own, kind = (labelled_cause(self.rows, name) for name in self.asked.labels)
            calls = calls_for(self.model, self.rows, self.asked) & kind
            vectors = self.model.activations(self.rows.tokens.long(), [site])[site][~self.rows.special]
            row = torch.arange(len(self.rows))[:, None].expand_as(self.rows.special)[~self.rows.special]
            self.kept[site] = Examples(site, self.model.fingerprint, vectors[calls], own[calls], row[calls])
        return self.kept[site]

    def at(self, site: str) -> mechlab.DirectionMaterial:
        """Return what the kinds need at a site."""
        return mechlab.DirectionMaterial(
            self.model, site, self.examples(site), self.dictionaries.get(site), circuits=self.circuits
        )


def calls_for(model: LanguageModel, rows: TokenRows, asked: Cause) -> Tensor:
    """Return the scored tokens right before a word of the cause or of a sister."""
    listed = "|".join((*asked.words, *asked.others))
    return right_before(rows, regex_cause(rows, model, rf"\b({listed})\b"))


def observable_of(model: LanguageModel, asked: Cause) -> Observable:
    """Return the mean logit of a cause's words, less that of its sisters' words."""
    own, others = (mechlab.word_set(model.tokenizer, words) for words in (asked.words, asked.others))
    return less(own, others, asked.name)


def fitted(kind: str, found: Material, site: str) -> Direction:
    """Return a direction that is fitted to labelled tokens."""
    return mechlab.find_direction(kind, found.at(site), n_shuffles=0, seed=found.seed)


def of_pairs(found: Material, site: str) -> Direction:
    """Return the direction of the pairs of texts."""
    own, others = zip(*text_pairs(found.asked, found.n_pairs, found.seed), strict=True)
    read = mechlab.examples_of_texts(found.model, site, own, others, paired=True)
    material = mechlab.DirectionMaterial(found.model, site, read)
    return mechlab.find_direction("pair_pca", material, n_shuffles=0, seed=found.seed)


def observed(found: Material, site: str) -> Direction:
    """Return the observable's direction: where it is handed back to, or, as the stream hands on, before that."""
    asked = observable_of(found.model, found.asked)
    last = mechlab.find_direction("observable", mechlab.DirectionMaterial(found.model), observable=asked)
    return directed(found.model, site, last.scaled, last.kind, last.name)


@torch.no_grad()
def telling(dictionary: Dictionary, examples: Examples, n: int) -> list[int]:
    """Return the features that are on more often in stories about the cause than in others, the foremost first."""
    on = dictionary.encode(examples.vectors.to(dictionary.b_enc)) > 0
    gap = on[examples.positive].float().mean(0) - on[~examples.positive].float().mean(0)
    return gap.topk(n).indices.tolist()


def featured(found: Material, site: str) -> Direction:
    """Return what the most telling feature of the site's dictionary writes."""
    number = telling(found.dictionaries[site], found.examples(site), 1)[0]
    return mechlab.find_direction("feature", found.at(site), feature=number)


def component(found: Material, site: str) -> Direction:
    """Return the component of a head whose writing moves the cause's observable most, turned to it."""
    last = observed(found, LAST)
    along = found.circuits.ov.write.transpose(-1, -2).double() @ last.vector.double()
    moved = (along * found.circuits.ov.values).abs()
    layer, head, number = (int(one) for one in torch.unravel_index(moved.argmax(), moved.shape))
    material = mechlab.DirectionMaterial(found.model, circuits=found.circuits)
    one = mechlab.find_direction("component", material, layer=layer, head=head, number=number)
    return one if along[layer, head, number] > 0 else one.reversed()


def direction(kind: str, found: Material, site: str) -> Direction:
    """Return a kind's direction at a site; a component's is at the site of its own head."""
    finders = {"pair_pca": of_pairs, "observable": observed, "feature": featured, "component": component}
    return finders[kind](found, site) if kind in finders else fitted(kind, found, site)
