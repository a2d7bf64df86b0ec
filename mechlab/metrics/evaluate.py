"""Judge dictionaries: every metric of the registry, in one pass over the rows.

1. Estimate the mean of the activation that is rebuilt, for mean ablation.
2. For each batch of rows: the clean pass, once; then, dictionary by dictionary, the codes and the reconstruction.
3. Every metric takes the batch into account; the spliced pass is each dictionary's own, the ablated ones are shared.
4. Every metric answers with estimates; their intervals redraw rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from jaxtyping import Float64
from pydantic import NonNegativeInt, PositiveInt
from torch import Tensor

from mechlab.core.config import Config
from mechlab.core.errors import UsageError
from mechlab.core.estimate import Estimate
from mechlab.core.progress import SILENT, Progress
from mechlab.corpora.rows import TokenRows
from mechlab.interventions.ablate import mean_activation
from mechlab.interventions.splice import Codec
from mechlab.metrics import METRICS
from mechlab.metrics.metric import Metric
from mechlab.metrics.passes import reference_of
from mechlab.metrics.reference import reconstructed
from mechlab.models.language_model import LanguageModel
from mechlab.models.route import Route, side_by_side
from mechlab.models.sites import Site


class EvaluateConfig(Config):
    """How to evaluate: rows per forward pass, and the seed of the intervals."""

    batch_rows: PositiveInt = 16
    seed: NonNegativeInt = 0


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What the metrics said.

    Attributes:
        estimates: every number by name; None where it is undefined on these rows.
        n_tokens: tokens scored; special ones are not.
        n_rows: the independent units the intervals redraw.
        per_feature: what is known of each feature, by name: `density`.
    """

    estimates: dict[str, Estimate | None]
    n_tokens: int
    n_rows: int
    per_feature: dict[str, Float64[Tensor, "d_sae"]]

    def numbers(self) -> dict[str, float | None]:
        """Return the values alone, for a table or JSON."""
        return {name: None if one is None else one.value for name, one in self.estimates.items()}


def evaluate(
    model: LanguageModel,
    dictionary: Codec,
    rows: TokenRows,
    site: str | Site | Route,
    config: EvaluateConfig | None = None,
    progress: Progress = SILENT,
) -> Evaluation:
    """Return every registered metric of a dictionary at a site, special tokens left out and left untouched.

    Args:
        model: the model the dictionary belongs to.
        dictionary: what is judged.
        rows: text the dictionary was not trained on; at least two rows.
        site: where the dictionary was trained: a site, or a route from the sites it reads to those it rebuilds.
        config: rows per pass and seed; None takes the defaults.
        progress: where to report.

    Raises:
        UsageError: too few rows for an interval, or nothing but special tokens.
    """
    bench = Bench.of(model, rows, site, config or EvaluateConfig())
    return bench.evaluate_all([dictionary], progress)[0]


@dataclass(frozen=True, eq=False)
class Bench:
    """Where dictionaries of one route are judged: the model, the rows, and what both are without a dictionary.

    Attributes:
        mean: of what is rebuilt.
    """

    model: LanguageModel
    rows: TokenRows
    route: Route
    mean: Float64[Tensor, "d_out"]
    config: EvaluateConfig

    @classmethod
    def of(cls, model: LanguageModel, rows: TokenRows, site: str | Site | Route, config: EvaluateConfig) -> "Bench":
        """Return the bench, the mean taken.

        Raises:
            UsageError: too few rows for an interval, or nothing but special tokens.
        """
        refuse_too_few(rows)
        route = Route.of(site, model.spec)
        return cls(model, rows, route, mean_rebuilt(model, rows, route, config.batch_rows), config)

    def evaluate_all(self, dictionaries: Sequence[Codec], progress: Progress = SILENT) -> list[Evaluation]:
        """Return each dictionary's metrics: the numbers it has alone, with one clean and ablated pass for all."""
        metrics = [[METRICS[name]() for name in METRICS] for _ in dictionaries]
        with progress.task("evaluating", self.rows.n_tokens, "tokens") as task:
            for start in range(0, len(self.rows), self.config.batch_rows):
                rows = self.rows.select(slice(start, start + self.config.batch_rows))
                reference = reference_of(self.model, rows, self.route, self.mean)
                for dictionary, own in zip(dictionaries, metrics, strict=True):
                    batch = reconstructed(reference, dictionary)
                    for metric in own:
                        metric.update(batch)
                    task.advance(rows.n_tokens / len(dictionaries))
        return [self._evaluation(own) for own in metrics]

    def _evaluation(self, metrics: Sequence[Metric]) -> Evaluation:
        estimates = {name: one for metric in metrics for name, one in metric.estimates(self.config.seed).items()}
        per_feature = {name: values for metric in metrics for name, values in metric.per_feature().items()}
        return Evaluation(estimates, refuse_too_few(self.rows), len(self.rows), per_feature)


def mean_rebuilt(
    model: LanguageModel, rows: TokenRows, site: str | Site | Route, batch_rows: int = 16
) -> Float64[Tensor, "d_out"]:
    """Return the mean of what a dictionary rebuilds there: of its target, or of its site if it has no other."""
    rebuilt = Route.of(site, model.spec).rebuilt
    return side_by_side([mean_activation(model, rows, one, batch_rows=batch_rows) for one in rebuilt])


def refuse_too_few(rows: TokenRows) -> int:
    """Return the number of tokens that are scored.

    Raises:
        UsageError: fewer than two rows, or no token that is not special.
    """
    n_tokens = int((~rows.special).sum())
    if len(rows) < 2 or n_tokens == 0:
        value = f"{len(rows)} rows, {n_tokens} tokens that are not special"
        raise UsageError("too few rows to give an interval", value=value, remedy="Evaluate on more text.")
    return n_tokens
