"""Portraits of features: when and how strongly each fires, on which text, what it promotes, which known cause it fits.

1. On every other row, histogram all features per class; choose the features to portray and the label of each.
2. Pass over all rows once more and keep the activations of the chosen features alone.
3. Each portrait is read off one feature's activations; its label's F1 is measured on the rows not chosen on.
"""

from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Float, Int
from pydantic import NonNegativeInt, PositiveInt
from torch import Tensor

from mechlab.core.config import Config
from mechlab.core.errors import UsageError
from mechlab.core.estimate import Estimate
from mechlab.core.progress import SILENT, Progress
from mechlab.core.randomness import torch_generator
from mechlab.corpora.rows import TokenRows
from mechlab.dictionaries.dictionary import Dictionary
from mechlab.interventions.steering.feature_direction import feature_direction
from mechlab.metrics.bootstrap import estimate, ratio
from mechlab.metrics.contexts import Band, Context, band_edges, bounds, drawn_from, strongest
from mechlab.metrics.detection import Detector
from mechlab.metrics.interesting import interesting_features
from mechlab.metrics.labels import Classes
from mechlab.metrics.logit_effects import logit_effects
from mechlab.metrics.race import f1
from mechlab.metrics.survey import Survey, Watched
from mechlab.models.language_model import LanguageModel
from mechlab.models.route import Route
from mechlab.models.sites import Site, writes_to_the_stream


class PortraitConfig(Config):
    """What a portrait shows.

    `features` names the features to portray; None takes the `n_features` most interesting ones. `n_before` and
    `n_after` are the tokens shown on each side of the one looked at. `min_positives` is the least number of tokens
    a class needs to become a label.
    """

    features: tuple[NonNegativeInt, ...] | None = None
    n_features: PositiveInt = 20
    n_top: PositiveInt = 10
    n_bands: PositiveInt = 4
    n_per_band: PositiveInt = 3
    n_before: NonNegativeInt = 16
    n_after: NonNegativeInt = 8
    n_logits: PositiveInt = 10
    n_bins: PositiveInt = 32
    min_positives: PositiveInt = 20
    batch_rows: PositiveInt = 16
    seed: NonNegativeInt = 0


@dataclass(frozen=True)
class Label:
    """The known cause a feature matches best; the match was chosen on other rows than the F1 is measured on."""

    name: str
    threshold: float
    f1: Estimate | None


@dataclass(frozen=True)
class FeaturePortrait:
    """One feature.

    Attributes:
        density: the share of tokens it fires on.
        n_tokens: the tokens looked at.
        edges: of the histogram's bins, from 0 to the largest activation.
        counts: activations above 0 per bin.
        top: the strongest activations, at most one per row.
        bands: examples from equally large bands of activation, strongest band first.
        promoted: next tokens whose logit it raises most, with the effect of one unit of activation in nats; empty
            where what is rebuilt is not written to the residual stream.
        suppressed: those it lowers most.
        label: None where the corpus has no labels, or none matches at all.
    """

    feature: int
    density: Estimate | None
    n_tokens: int
    max_activation: float
    edges: tuple[float, ...]
    counts: tuple[int, ...]
    top: tuple[Context, ...]
    bands: tuple[Band, ...]
    promoted: tuple[tuple[str, float], ...]
    suppressed: tuple[tuple[str, float], ...]
    label: Label | None


@torch.no_grad()
def portraits(
    model: LanguageModel,
    dictionary: Dictionary,
    rows: TokenRows,
    site: str | Site | Route,
    config: PortraitConfig | None = None,
    progress: Progress = SILENT,
) -> tuple[FeaturePortrait, ...]:
    """Return portraits of the most interesting features (`metrics.interesting` says which), or of those asked for.

    Raises:
        UsageError: a feature asked for does not exist.
    """
    config = config or PortraitConfig()
    classes = Classes.of(rows.label_names)
    watched = Watched(model, dictionary, rows, site, config.batch_rows, progress)
    survey = watched.survey(classes, config.min_positives)
    features = _features(config, survey)
    if not features:
        return ()
    effects = _effects(model, dictionary, rows, Route.of(site, model.spec).rebuilt, features)
    painter = _Painter(model, rows, classes, survey, config)
    sittings = zip(features, watched.activations(features), effects, strict=True)
    return tuple(painter.portrait(feature, values.to_dense(), on_logits) for feature, values, on_logits in sittings)


@dataclass(frozen=True, eq=False)
class _Painter:
    """Reads portraits off activations; what all portraits of one gallery have in common."""

    model: LanguageModel
    rows: TokenRows
    classes: Classes
    survey: Survey
    config: PortraitConfig

    def portrait(
        self, feature: int, values: Float[Tensor, "n_rows pos"], on_logits: Float[Tensor, "d_vocab"] | None
    ) -> FeaturePortrait:
        """Return one feature's portrait."""
        scored = ~self.rows.special
        highest = values.max().item()
        counts = torch.histc(values[values > 0], self.config.n_bins, 0, highest) if highest > 0 else torch.zeros(0)
        fires = torch.stack([(values > 0).sum(1), scored.sum(1)], dim=1).double()
        return FeaturePortrait(
            feature=feature,
            density=estimate(fires, ratio, unit="of tokens", seed=self.config.seed),
            n_tokens=int(scored.sum()),
            max_activation=highest,
            edges=tuple(torch.linspace(0, highest, len(counts) + 1).tolist()) if len(counts) else (),
            counts=tuple(int(count) for count in counts),
            top=self._contexts(values, strongest(values, self.config.n_top)),
            bands=self._bands(feature, values),
            promoted=self._tokens(on_logits, 1),
            suppressed=self._tokens(on_logits, -1),
            label=self._label(feature, values),
        )

    def _contexts(self, values: Float[Tensor, "n_rows pos"], places: Int[Tensor, "n_found 2"]) -> tuple[Context, ...]:
        return tuple(self._context(values[row], row, position) for row, position in places.tolist())

    def _context(self, values: Float[Tensor, "pos"], row: int, position: int) -> Context:
        start, end = bounds(position, len(values), self.config.n_before, self.config.n_after)
        tokens = token_texts(self.model, self.rows.tokens[row, start:end])
        return Context(row, start, tokens, tuple(values[start:end].tolist()), position - start)

    def _bands(self, feature: int, values: Float[Tensor, "n_rows pos"]) -> tuple[Band, ...]:
        edges, draw = band_edges(values, self.config.n_bands), torch_generator(self.config.seed, f"examples {feature}")
        bands = []
        for low, high in pairwise(edges):
            inside = (values > 0) & (values >= low) & (values <= high)
            places = drawn_from(inside, self.config.n_per_band, draw)
            bands.append(Band(low, high, self._contexts(values, places)))
        return tuple(reversed(bands))

    def _tokens(self, on_logits: Float[Tensor, "d_vocab"] | None, sign: int) -> tuple[tuple[str, float], ...]:
        if on_logits is None:
            return ()
        best = (sign * on_logits).topk(min(self.config.n_logits, len(on_logits))).indices
        return tuple(zip(token_texts(self.model, best), on_logits[best].tolist(), strict=True))

    def _label(self, feature: int, values: Float[Tensor, "n_rows pos"]) -> Label | None:
        matches = self.survey.f1[:, feature]
        if not len(matches) or matches.max() == 0:
            return None
        c = int(matches.argmax())
        detector = Detector(feature, float(self.survey.thresholds[c, feature]))
        unseen = self.rows.select(slice(1, None, 2))
        label, _, value = self.classes.names[c].partition("=")
        positive = (unseen.labels[label] == self.rows.label_names[label].index(value)) & ~unseen.special
        fires = detector.fires(values[1::2]) & ~unseen.special
        columns = [2 * (fires & positive).sum(1), fires.sum(1) + positive.sum(1)]
        found = estimate(torch.stack(columns, dim=1).double(), f1, seed=self.config.seed) if len(unseen) else None
        return Label(self.classes.names[c], detector.threshold, found)


def token_texts(model: LanguageModel, tokens: Int[Tensor, "n"]) -> tuple[str, ...]:
    """Return each token as text, or its number where the model has no tokenizer."""
    return tuple(map(str, tokens.tolist())) if model.tokenizer is None else tuple(model.token_strings(tokens))


def _features(config: PortraitConfig, survey: Survey) -> list[int]:
    d_sae = survey.f1.shape[1]
    if config.features is None:
        return interesting_features(survey.f1, survey.histograms, config.n_features)
    for feature in config.features:
        if feature >= d_sae:
            raise UsageError("no such feature", value=feature, remedy=f"Features are 0..{d_sae - 1}.")
    return list(config.features)


def _effects(
    model: LanguageModel, dictionary: Dictionary, rows: TokenRows, rebuilt: tuple[Site, ...], features: list[int]
) -> list[Float[Tensor, "d_vocab"]] | list[None]:
    if len(rebuilt) != 1 or not all(map(writes_to_the_stream, rebuilt)):
        return [None] * len(features)
    directions = torch.stack([feature_direction(dictionary, feature, unit=False) for feature in features])
    return list(logit_effects(model, directions, rows.tokens[:16]).cpu())
