"""A first look at all features on half the rows, and a second at the chosen ones on all rows."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from mechlab.core.progress import SILENT, Progress
from mechlab.corpora.rows import TokenRows
from mechlab.interventions.splice import Codec
from mechlab.metrics.detection import detectors
from mechlab.metrics.histograms import Histograms
from mechlab.metrics.labels import Classes
from mechlab.metrics.passes import at_site
from mechlab.models.language_model import LanguageModel
from mechlab.models.route import Route
from mechlab.models.sites import Site


@dataclass(frozen=True, eq=False)
class Survey:
    """All features on every other row, the first included.

    Attributes:
        histograms: activations per class; the last group holds all tokens.
        f1: each feature's best F1 for each class; 0 for classes too rare to judge.
        thresholds: the activation from which the feature then says yes.
    """

    histograms: Histograms
    f1: Float64[Tensor, "n_classes n_features"]
    thresholds: Float[Tensor, "n_classes n_features"]


@dataclass(frozen=True, eq=False)
class Watched:
    """Rows of a model at a site, seen through a dictionary's features."""

    model: LanguageModel
    dictionary: Codec
    rows: TokenRows
    site: str | Site | Route
    batch_rows: int
    progress: Progress = SILENT

    @torch.no_grad()
    def survey(self, classes: Classes, min_positives: int) -> Survey:
        """Return the first look; the rows in between are left for measuring what is chosen by it."""
        histograms: Histograms | None = None
        half = self.rows.select(slice(0, None, 2))
        for batch in at_site(self.model, half, self.site, self.batch_rows, "surveying features", self.progress):
            codes = self.dictionary.encode(batch.inputs[batch.scored])
            histograms = histograms or Histograms(classes.everything + 1, codes.shape[-1])
            histograms.update(codes, classes.groups(batch.rows.labels, ~batch.rows.special))
        assert histograms is not None, "no rows to survey"
        f1 = torch.zeros(classes.everything, histograms.counts.shape[1], dtype=torch.float64)
        thresholds = torch.zeros(f1.shape)
        for c in range(classes.everything):
            if histograms.n_tokens[c] >= min_positives:
                f1[c], thresholds[c] = detectors(histograms, c, classes.everything)
        return Survey(histograms, f1, thresholds)

    @torch.no_grad()
    def activations(self, features: list[int]) -> list[Float[Tensor, "n_rows pos"]]:
        """Return what each feature does on every token: 0 on special ones, kept sparse until it is looked at."""
        found: list[Tensor] = []
        for batch in at_site(self.model, self.rows, self.site, self.batch_rows, "portraying features", self.progress):
            codes = self.dictionary.encode(batch.inputs)[..., features].float()
            found.append((codes * batch.scored[..., None]).cpu().to_sparse())
        together = torch.cat(found)
        return [together.select(-1, place) for place in range(len(features))]
