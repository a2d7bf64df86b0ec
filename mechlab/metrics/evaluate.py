"""Judge a dictionary: every metric of the registry, in one pass over the rows.

1. Estimate the mean of the activation that is rebuilt, for mean ablation.
2. For each batch of rows: the clean pass, the codes, the reconstruction.
3. Every metric takes the batch into account; those that ask get the spliced and ablated passes.
4. Every metric answers with estimates; their intervals redraw rows.
"""

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
from mechlab.metrics.passes import reconstructed
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
    config = config or EvaluateConfig()
    n_tokens = refuse_too_few(rows)
    metrics = [METRICS[name]() for name in METRICS]
    mean = mean_rebuilt(model, rows, site, config.batch_rows)
    with progress.task("evaluating", rows.n_tokens, "tokens") as task:
        for start in range(0, len(rows), config.batch_rows):
            batch_rows = rows.select(slice(start, start + config.batch_rows))
            batch = reconstructed(model, dictionary, site, batch_rows, mean)
            for metric in metrics:
                metric.update(batch)
            task.advance(batch_rows.n_tokens)
    estimates = {name: one for metric in metrics for name, one in metric.estimates(config.seed).items()}
    per_feature = {name: values for metric in metrics for name, values in metric.per_feature().items()}
    return Evaluation(estimates, n_tokens, len(rows), per_feature)


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
