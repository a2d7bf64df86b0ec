"""A traced prompt as a run.

1. Load the model and the transcoders of all its MLPs; refuse what does not fit, before anything is written.
2. A run that is already there is returned as it is.
3. Hold the pass still, attribute what is asked about and the features that weigh most, and prune.
4. Write the whole graph as tables, what was kept as JSON that other viewers read, too, and as a page; the run gets its
   name when all are on the disk.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

from jaxtyping import Int
from torch import Tensor

from mechlab.circuits.attribution.attribution_graph import AttributionGraph, attribution_graph
from mechlab.circuits.attribution.described import GraphCard
from mechlab.circuits.attribution.exchange import described_graph
from mechlab.circuits.attribution.exchange_json import graph_to_json
from mechlab.circuits.attribution.frozen_pass import frozen_pass
from mechlab.circuits.attribution.pruning import Pruned, pruned
from mechlab.circuits.attribution.whole_graph import WholeGraph
from mechlab.core.config import canonical_json
from mechlab.core.progress import Progress
from mechlab.core.runtime import use_threads
from mechlab.interventions.transcoder_set import TranscoderSet
from mechlab.models.fingerprint import digest_of_tensors
from mechlab.models.language_model import LanguageModel
from mechlab.models.loaders import is_on_disk, load
from mechlab.store.manifest import Identity, Metric, ModelRecord
from mechlab.store.run import GRAPH_EDGES_NAME, GRAPH_NAME, GRAPH_NODES_NAME, REPORT_NAME, Run, finished_run, open_run
from mechlab.store.writer import RunWriter
from mechlab.verbs.steps.tracing.details import Details, open_details
from mechlab.verbs.steps.tracing.targets import MOST_LOGITS, PROBABILITY, Asked, asked_of, named_tokens
from mechlab.verbs.steps.tracing.transcoders import open_transcoders
from mechlab.verbs.trace_options import TraceOptions
from mechlab.views.attribution_page import attribution_page


def trace_run(config: TraceOptions, progress: Progress) -> Run:
    """Return the finished run; made now, or found where it was made before.

    Raises:
        UsageError: the model is unknown, the prompt does not fit it, a layer has no transcoder, a target is not one
            token of the model, or the output folder is taken.
        ArtifactError: a transcoder is damaged or of another model.
    """
    model = load(config.model, device=config.device)
    use_threads(config.threads, model.spec.n_params)
    tokens = model.checked(model.to_tokens(config.prompt))
    named_tokens(model, (*config.target, *config.against))
    transcoders = open_transcoders(model, config.dictionaries, root=config.root, on_use=True)
    details = open_details(config, model, transcoders)
    identity = identity_of(config, model, tokens, transcoders, details)
    out = config.out or Path("runs") / f"trace-{Path(model.name).name}-{identity.run_id()[:8]}"
    done = finished_run(out, identity)
    if done is not None:
        progress.note(f"this run is already there: {out}")
        return done
    frozen = frozen_pass(model, transcoders, tokens)
    asked = asked_of(model, frozen, config)
    with RunWriter(out, identity) as writer:
        graph = attribution_graph(
            frozen, asked.targets, weights=asked.weights, max_features=config.max_features, progress=progress
        )
        kept = pruned(graph, nodes=config.nodes, edges=config.edges)
        whole = WholeGraph.of(graph, kept, _node_names(asked))
        writer.write_table(GRAPH_NODES_NAME, whole.node_columns())
        writer.write_table(GRAPH_EDGES_NAME, whole.edge_columns())
        card = _card(config, model, tokens, identity)
        shown = graph_to_json(described_graph(graph, kept, asked.names, card))
        writer.write_text(GRAPH_NAME, canonical_json(shown) + "\n")
        writer.write_text(REPORT_NAME, attribution_page(shown, details.of(graph, kept)))
        writer.finish(trace_metrics(graph, kept))
    return open_run(out)


def identity_of(
    config: TraceOptions,
    model: LanguageModel,
    tokens: Int[Tensor, "1 pos"],
    transcoders: TranscoderSet,
    details: Details,
) -> Identity:
    """Return what determines the run: model, transcoders, tokens, what is asked, and how much is traced and kept."""
    known = {"fingerprint": model.fingerprint, "processing": tuple(model.processing)}
    settings = config.model_dump(mode="json", include={"max_features", "nodes", "edges"})
    position = config.position % tokens.shape[1] if -tokens.shape[1] <= config.position else config.position
    asked = {"target": named_tokens(model, config.target), "against": named_tokens(model, config.against)}
    return Identity(
        kind="trace",
        config={
            **settings,
            **asked,
            "position": position,
            "tokens": tokens[0].tolist(),
            "transcoders": digest_of_tensors(_TensorsOf(transcoders), transcoders.read_kind),
        },
        parents=details.runs,
        model=ModelRecord(name=config.model, at_path=is_on_disk(config.model), **known),
    )


def trace_metrics(graph: AttributionGraph, kept: Pruned) -> dict[str, Metric]:
    """Return the size of a graph and of what was kept, its scores, and what pruning kept of the targets."""
    return {
        "n_features_on": len(graph.sources.code),
        "n_features_traced": len(graph.visited),
        "n_features_kept": len(kept.rows),
        "n_edges_kept": kept.n_edges,
        "replacement_score": graph.replacement_score,
        "completeness_score": graph.completeness_score,
        "bias_share": graph.influence.bias,
        "kept_influence": kept.influence,
        "kept_of_targets": kept.of_targets,
        "largest_miss": graph.largest_miss,
    }


def _node_names(asked: Asked) -> list[str]:
    """Return names of the targets for the tables: two tokens may read alike, so that theirs have their numbers."""
    numbered = (f"logit.{name.token} {name.label.strip()}" for name in asked.names)
    return [name.label if name.token is None else given for name, given in zip(asked.names, numbered, strict=True)]


def _card(config: TraceOptions, model: LanguageModel, tokens: Int[Tensor, "1 pos"], identity: Identity) -> GraphCard:
    chosen = {} if config.target else {"max_n_logits": MOST_LOGITS, "desired_logit_prob": PROBABILITY}
    return GraphCard(
        slug=f"trace-{identity.run_id()}",
        scan=Path(model.name).name,
        prompt_tokens=tuple(model.token_strings(tokens[0])),
        node_threshold=config.nodes,
        edge_threshold=config.edges,
        max_feature_nodes=config.max_features or 0,
        description=f"mechlab run {identity.run_id()}",
        **chosen,
    )


class _TensorsOf(Mapping[str, Tensor]):
    """All that determines what transcoders give, by layer, one layer open at a time; a cross-layer one has none."""

    def __init__(self, transcoders: TranscoderSet) -> None:
        self._transcoders, layers = transcoders, transcoders.layers
        is_shared = transcoders.n_layers > 1 and all(one is layers[0] for one in layers)
        self._places = {
            name if is_shared else f"{layer}.{name}": (layer, name)
            for layer in range(1 if is_shared else transcoders.n_layers)
            for name in layers[layer].state_dict()
        }

    def __getitem__(self, name: str) -> Tensor:
        layer, own = self._places[name]
        return self._transcoders.opened(layer).state_dict()[own]

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)
