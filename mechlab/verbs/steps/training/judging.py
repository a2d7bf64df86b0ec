"""Judge dictionaries on held-out rows: its metrics, those of an untrained one, the causes it recovers, its features."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mechlab.core.estimate import Estimate
from mechlab.core.progress import Progress
from mechlab.corpora.rows import TokenRows
from mechlab.dictionaries.dictionary import Dictionary
from mechlab.metrics.contenders import untrained
from mechlab.metrics.evaluate import Bench, EvaluateConfig, Evaluation
from mechlab.metrics.ground_truth import GroundTruth, GroundTruthConfig, ground_truth
from mechlab.metrics.norm_shares import NormShares, norm_shares
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
        norm_shares: where its features write, if they have directions at several sites.
        replaced: in words, how reconstructions stand in where there are several sites.
    """

    evaluation: Evaluation
    untrained: Evaluation
    ground_truth: GroundTruth | None
    portraits: tuple[FeaturePortrait, ...]
    norm_shares: tuple[NormShares, ...] = ()
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


def judge(subject: Subject, dictionary: Dictionary, rows: TokenRows, progress: Progress) -> Judgement:
    """Return everything the report shows of a dictionary."""
    (found,) = judge_all(subject, [dictionary], rows, progress)
    return found


def judge_all(
    subject: Subject,
    dictionaries: Sequence[Dictionary],
    rows: TokenRows,
    progress: Progress,
    *,
    with_portraits: bool = True,
) -> Iterator[Judgement]:
    """Yield of each dictionary what it would be found to be alone; the model's own passes are run once for all.

    Dictionaries of one config have one untrained dictionary between them. Without portraits a judgement is only what
    its metrics are made of.
    """
    model, route, seed = subject.model, subject.route, subject.config.seed
    bench = Bench.of(model, rows, route, EvaluateConfig(seed=seed))
    mean = bench.mean.float().to(model.device)
    alike = {_config_key(one): one for one in dictionaries}
    controls = {key: untrained(one, mean, seed) for key, one in alike.items()}
    found = bench.evaluate_all([*dictionaries, *controls.values()], progress)
    of_controls = dict(zip(controls, found[len(dictionaries) :], strict=True))
    for dictionary, evaluation in zip(dictionaries, found, strict=False):
        yield Judgement(
            evaluation=evaluation,
            untrained=of_controls[_config_key(dictionary)],
            ground_truth=ground_truth(model, dictionary, rows, route, GroundTruthConfig(seed=seed), progress)
            if rows.label_names
            else None,
            portraits=portraits(model, dictionary, rows, route, PortraitConfig(seed=seed), progress)
            if with_portraits
            else (),
            norm_shares=norm_shares(
                dictionary,
                controls[_config_key(dictionary)],
                evaluation.per_feature["density"] > 0,
                [str(site) for site in route.rebuilt],
            ),
            replaced=how_replaced(model, dictionary, route),
        )


def _config_key(dictionary: Dictionary) -> str:
    return f"{dictionary.kind} {dictionary.config.model_dump_json()}"
