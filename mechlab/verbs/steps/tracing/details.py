"""What is known of a traced prompt's features: contexts out of runs of `mechlab features`, for the page."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mechlab.circuits.attribution.attribution_graph import AttributionGraph
from mechlab.circuits.attribution.pruning import Pruned
from mechlab.core.errors import ArtifactError, UsageError
from mechlab.interventions.transcoder_set import TranscoderSet
from mechlab.metrics.feature_objects import feature_objects
from mechlab.metrics.feature_table import FeatureTable
from mechlab.models.language_model import LanguageModel
from mechlab.models.route import Route
from mechlab.store.catalog import find_run
from mechlab.store.feature_table import read_features
from mechlab.store.manifest import MANIFEST_NAME
from mechlab.store.run import FEATURES_NAME, Run
from mechlab.store.sweep import SWEEP_NAME, read_sweep
from mechlab.verbs.trace_options import TraceOptions


@dataclass(frozen=True, eq=False)
class Details:
    """Tables of features by layer, and the ids of the runs that they are out of."""

    tables: Mapping[int, FeatureTable]
    runs: tuple[str, ...]

    def of(self, graph: AttributionGraph, kept: Pruned) -> dict[str, dict[str, Any]]:
        """Return what is known of the features kept, by `LAYER.NUMBER`, each as a viewer's feature file."""
        sources, found = graph.sources, dict[str, dict[str, Any]]()
        columns = kept.columns[kept.columns < len(sources.code)]
        for layer, table in self.tables.items():
            own = sources.feature[columns[sources.layer[columns] == layer]].unique().tolist()
            objects = feature_objects(table, own, f"layer {layer}")
            found |= {f"{layer}.{number}": one for number, one in zip(own, objects, strict=True)}
        return found


def open_details(config: TraceOptions, model: LanguageModel, transcoders: TranscoderSet) -> Details:
    """Return what is known of the transcoders' features; nothing where no run is given.

    Raises:
        ArtifactError: a run has no table of features, or it is damaged or of another model.
        UsageError: it is of another dictionary, or two are of one layer.
    """
    tables, runs = dict[int, FeatureTable](), list[str]()
    known = _dictionary_runs(config)
    for text in config.details:
        run = find_run(text, config.root)
        table = FeatureTable.restored(*read_features(run.file(FEATURES_NAME)))
        layer = _layer(run, table, model, transcoders, known)
        if layer in tables:
            raise UsageError("layer has two tables of features", value=text, remedy="Give one for each.")
        tables[layer] = table
        runs.append(run.id)
    return Details(tables, tuple(runs))


def _layer(run: Run, table: FeatureTable, model: LanguageModel, transcoders: TranscoderSet, known: set[str]) -> int:
    """Return the layer whose transcoder's features a table tells of."""
    record = run.manifest.model
    if record is None or record.fingerprint != model.fingerprint:
        remedy = "Run `mechlab features` on this model's transcoders."
        raise ArtifactError("features are of another model", value=str(run.folder), remedy=remedy)
    layer = Route.of(table.facts.site, model.spec).rebuilt[0].layer
    is_known = not known or bool(known & set(run.manifest.parents))
    if layer is None or not is_known or len(table) != transcoders.n_features(layer):
        remedy = "Run `mechlab features` on the transcoders given."
        raise UsageError("features are of another dictionary", value=str(run.folder), remedy=remedy)
    return layer


def _dictionary_runs(config: TraceOptions) -> set[str]:
    """Return the ids of the dictionaries that are runs, those of a sweep among them."""
    known = set[str]()
    for path in config.dictionaries:
        if (Path(path) / SWEEP_NAME).is_file():
            sweep = read_sweep(Path(path))
            known |= {member.run for member in sweep.members} if sweep else set()
        elif (Path(path) / MANIFEST_NAME).is_file() or not Path(path).exists():
            known.add(find_run(path, config.root).id)
    return known
