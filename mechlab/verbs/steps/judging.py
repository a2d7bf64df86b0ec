"""Judge a dictionary on held-out rows: its metrics, those of an untrained one, the causes it recovers, its features."""

from dataclasses import dataclass

from mechlab.core.estimate import Estimate
from mechlab.core.progress import Progress
from mechlab.corpora.rows import TokenRows
from mechlab.dictionaries.dictionary import Dictionary
from mechlab.metrics.contenders import untrained
from mechlab.metrics.evaluate import EvaluateConfig, Evaluation, evaluate, mean_rebuilt
from mechlab.metrics.ground_truth import GroundTruth, GroundTruthConfig, ground_truth
from mechlab.metrics.passes import how_replaced
from mechlab.metrics.portraits import FeaturePortrait, PortraitConfig, portraits
from mechlab.verbs.steps.opening import Subject


@dataclass(frozen=True, eq=False)
class Judgement:
    """All that was found out about a dictionary on the same held-out rows.

    Attributes:
        evaluation: its metrics.
        untrained: the metrics of a fresh dictionary of the same kind and size.
        ground_truth: known causes recovered; None where the corpus has no labels.
        portraits: its most interesting features.
        replaced: in words, how reconstructions stand in where there are several sites.
    """

    evaluation: Evaluation
    untrained: Evaluation
    ground_truth: GroundTruth | None
    portraits: tuple[FeaturePortrait, ...]
    replaced: str = ""

    @property
    def metrics(self) -> dict[str, Estimate | int | float | None]:
        """Return what a run notes: every estimate by name, controls under `untrained.NAME`, and the tokens judged."""
        found: dict[str, Estimate | int | float | None] = {**self.evaluation.estimates}
        found |= {f"untrained.{name}": value for name, value in self.untrained.estimates.items()}
        if self.ground_truth is not None:
            for name, estimate in self.ground_truth.mean_f1.items():
                found[f"mean_f1.{name.replace(' ', '_')}"] = estimate
            for name, estimate in self.ground_truth.mean_auc.items():
                found[f"mean_auc.{name.replace(' ', '_')}"] = estimate
        return {**found, "n_tokens": self.evaluation.n_tokens}


def judge(
    subject: Subject, dictionary: Dictionary, rows: TokenRows, progress: Progress, *, with_portraits: bool = True
) -> Judgement:
    """Return everything the report shows of a dictionary; without portraits, what its metrics are."""
    model, site, seed = subject.model, subject.route, subject.config.seed
    mean = mean_rebuilt(model, rows, site).float().to(model.device)
    control = untrained(dictionary, mean, seed)
    plain = EvaluateConfig(seed=seed)
    return Judgement(
        evaluation=evaluate(model, dictionary, rows, site, plain, progress),
        untrained=evaluate(model, control, rows, site, plain, progress),
        ground_truth=ground_truth(model, dictionary, rows, site, GroundTruthConfig(seed=seed), progress)
        if rows.label_names
        else None,
        portraits=portraits(model, dictionary, rows, site, PortraitConfig(seed=seed), progress)
        if with_portraits
        else (),
        replaced=how_replaced(model, dictionary, site),
    )
