"""Contexts of a traced prompt's features are those of the dictionary's own table; another's is refused."""

import pytest

from mechlab.circuits.attribution.attribution_graph import attribution_graph
from mechlab.circuits.attribution.frozen_pass import frozen_pass
from mechlab.circuits.attribution.pruning import pruned
from mechlab.circuits.attribution.targets import logit_targets
from mechlab.core.errors import ArtifactError, UsageError
from mechlab.corpora.opening import open_corpus
from mechlab.corpora.rows import pack
from mechlab.metrics.dashboards import DashboardConfig, dashboards
from mechlab.models.loaders import load
from mechlab.store.manifest import Identity, ModelRecord
from mechlab.store.run import open_run
from mechlab.store.writer import RunWriter
from mechlab.verbs.steps.tracing.details import open_details
from mechlab.verbs.steps.tracing.transcoders import open_transcoders
from mechlab.verbs.trace_options import TraceOptions


@pytest.fixture(scope="module")
def own(model):
    return load(str(model), device="cpu")


@pytest.fixture(scope="module")
def found(own, transcoders):
    return open_transcoders(own, transcoders)


@pytest.fixture(scope="module")
def tables(own, found):
    """Return a table of the features of every layer, from a little text."""
    rows = pack(open_corpus("tales", seed=0), own.tokenizer, row_length=32, n_tokens=1024)
    config = DashboardConfig(n_ablated=0)
    return [dashboards(own, found.layers[layer], rows, f"mlp.{layer}", config) for layer in range(found.n_layers)]


@pytest.fixture
def stored(own, tables, transcoders, tmp_path):
    """Return what stores a table as a run: of a model, and of a dictionary."""

    def stored(name, layer=1, fingerprint=None, parents=None):
        record = ModelRecord(name=own.name, fingerprint=fingerprint or own.fingerprint)
        of = (open_run(transcoders[layer]).id,) if parents is None else parents
        with RunWriter(tmp_path / name, Identity(kind="features", config={}, parents=of, model=record)) as writer:
            writer.write_features(*tables[layer].stored())
            return str(writer.finish({}).folder)

    return stored


def options(transcoders, *details):
    return TraceOptions(prompt="It was", dictionaries=tuple(map(str, transcoders)), details=details)


def test_what_is_told_of_a_kept_feature_is_its_line_of_its_layers_table(own, found, tables, transcoders, stored):
    details = open_details(options(transcoders, stored("one")), own, found)
    frozen = frozen_pass(own, found, own.to_tokens("It was winter."))
    graph = attribution_graph(frozen, logit_targets(frozen, (5,)))
    kept = pruned(graph, nodes=1.0, edges=1.0)
    told = details.of(graph, kept)
    columns = kept.columns[kept.columns < len(graph.sources.code)]
    layers, numbers = graph.sources.layer[columns], graph.sources.feature[columns]
    assert set(told) == {f"1.{number}" for number in numbers[layers == 1].tolist()} and told
    for name, one in told.items():
        number = int(name.partition(".")[2])
        assert one["index"] == number
        assert one["act_max"] == pytest.approx(float(tables[1].columns["largest"][number]), rel=1e-4)
    assert details.runs and not open_details(options(transcoders), own, found).runs


def test_tables_of_another_model_dictionary_or_twice_are_refused(own, found, transcoders, stored):
    for name, changed, error, said in (
        ("model", {"fingerprint": "0" * 64}, ArtifactError, "another model"),
        ("dictionary", {"parents": ("0" * 16,)}, UsageError, "another dictionary"),
    ):
        with pytest.raises(error, match=said):
            open_details(options(transcoders, stored(name, **changed)), own, found)
    with pytest.raises(UsageError, match="two tables"):
        open_details(options(transcoders, stored("one"), stored("two")), own, found)
    with pytest.raises(ArtifactError, match="no file"):
        open_details(options(transcoders, str(transcoders[0])), own, found)
