"""mechlab: a mechanistic-interpretability workbench for language transformers.

The main path, from a checkpoint to a judged dictionary and a steered text:

>>> import mechlab
>>> model = mechlab.load("tales")
>>> corpus = mechlab.open_corpus("tales")
>>> text = mechlab.pack(corpus, model.tokenizer, row_length=64, n_tokens=40_000)
>>> train, held_out = mechlab.split(text, n_held_out=64)
>>> mix = mechlab.StreamConfig(batch_size=1024, pool_size=8192, n_batches=100)
>>> stream = mechlab.ActivationStream(model, train, "resid_post.2", mix)
>>> sae = mechlab.TopKDictionary(mechlab.TopKConfig(d_in=stream.d_in, d_sae=256, k=8))
>>> _ = mechlab.fit(sae, stream, mechlab.TrainConfig(n_tokens=102_400, batch_size=1024, lr=3e-3))
>>> found = mechlab.evaluate(model, sae, held_out, "resid_post.2").estimates
>>> bool(found["explained_variance"].value > 0.3)
True
>>> prompt = model.to_tokens("It was winter.")
>>> direction = mechlab.feature_direction(sae, 3)
>>> with mechlab.steer(model, "resid_post.2", direction, strength=6.0):
...     steered = model.generate(prompt, n_tokens=8)
>>> steered.shape[1] - prompt.shape[1]
8

Names are imported when they are first used, so `import mechlab` costs nothing.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mechlab.activations.pairs import PairStream
    from mechlab.activations.stream import ActivationStream, StreamConfig
    from mechlab.circuits.attribution.attribution_graph import attribution_graph
    from mechlab.circuits.attribution.connections import connections
    from mechlab.circuits.attribution.described import GraphCard, TargetName
    from mechlab.circuits.attribution.edge_loadings import edge_loadings
    from mechlab.circuits.attribution.exchange import described_graph
    from mechlab.circuits.attribution.exchange_json import graph_to_json
    from mechlab.circuits.attribution.exchange_reading import graph_from_json
    from mechlab.circuits.attribution.feature_circuits import CircuitSettings, feature_circuits, features_by_influence
    from mechlab.circuits.attribution.frozen_pass import frozen_pass
    from mechlab.circuits.attribution.mean_connections import mean_connections
    from mechlab.circuits.attribution.mean_paths import mean_paths
    from mechlab.circuits.attribution.naming import as_graph
    from mechlab.circuits.attribution.path_filters import paths_with
    from mechlab.circuits.attribution.path_following import followed_paths
    from mechlab.circuits.attribution.path_graph import paths_graph
    from mechlab.circuits.attribution.path_search import PathSearch, top_paths
    from mechlab.circuits.attribution.path_sums import path_sums
    from mechlab.circuits.attribution.paths import summed_over_positions
    from mechlab.circuits.attribution.pruning import pruned
    from mechlab.circuits.attribution.qk_attribution import qk_attribution
    from mechlab.circuits.attribution.stream_targets import stream_targets
    from mechlab.circuits.attribution.targets import (
        chosen_targets,
        direction_targets,
        logit_targets,
        token_list_targets,
    )
    from mechlab.circuits.attribution.validation import EditSettings, measured_edits
    from mechlab.circuits.attribution.weight_views import (
        de_embedding,
        feature_directions,
        ov_norms,
        position_de_embedding,
        pullback,
        through_head,
    )
    from mechlab.circuits.channels.causes import ComponentTrial
    from mechlab.circuits.channels.channel_map import channel_map
    from mechlab.circuits.channels.ends import token_ends
    from mechlab.circuits.channels.projections import projections
    from mechlab.circuits.directions.comparing import compare_directions
    from mechlab.circuits.directions.direction import Direction
    from mechlab.circuits.directions.finding import find_direction
    from mechlab.circuits.directions.material import DirectionMaterial
    from mechlab.circuits.directions.output_scores import (
        OutputScoring,
        largest_activations,
        largest_in_layer,
        output_scores,
    )
    from mechlab.circuits.directions.reading import examples_of_pairs, examples_of_texts, examples_of_tokens
    from mechlab.circuits.effects import effects
    from mechlab.circuits.observables.coupling import coupling, coupling_bounds, couplings
    from mechlab.circuits.observables.debiasing import debiased
    from mechlab.circuits.observables.observable import Observable
    from mechlab.circuits.observables.ov_patching import ov_patching
    from mechlab.circuits.observables.path_beam import BeamSearch, observable_graph, observable_paths
    from mechlab.circuits.observables.prompt_parts import prompt_parts
    from mechlab.circuits.observables.prompt_points import prompt_points
    from mechlab.circuits.observables.pull_back import head_lengths, observable_directions
    from mechlab.circuits.observables.pulling import NormRules, StopPoint
    from mechlab.circuits.observables.token_reads import token_reads
    from mechlab.circuits.observables.words import matching_words, token_set, word_difference, word_set
    from mechlab.circuits.outcomes import AttentionDifference, LogitDifference, ProbabilityDifference
    from mechlab.circuits.patching.activation_patching import activation_patching
    from mechlab.circuits.patching.attribution_patching import attribution_patching
    from mechlab.circuits.patching.edge_attribution import eap, eap_ig
    from mechlab.circuits.patching.edge_patching import edge_patching
    from mechlab.circuits.patching.faithfulness import faithfulness_curve
    from mechlab.circuits.patching.logit_attribution import logit_attribution
    from mechlab.circuits.patching.path_patching import path_patching
    from mechlab.circuits.patching.selection import best_edges, greedy_edges
    from mechlab.circuits.patching.settings import PatchSettings
    from mechlab.corpora.batches import RowBatches
    from mechlab.corpora.opening import open_corpus
    from mechlab.corpora.row_stream import RowStream
    from mechlab.corpora.rows import TokenRows, pack, split
    from mechlab.corpora.tasks.prompting import prompt_pairs
    from mechlab.dictionaries import KINDS
    from mechlab.dictionaries.batchtopk import BatchTopKConfig, BatchTopKDictionary
    from mechlab.dictionaries.relu import ReluConfig, ReluDictionary
    from mechlab.dictionaries.topk import TopKConfig, TopKDictionary
    from mechlab.interventions.ablate import ablate
    from mechlab.interventions.activate_codes import CodeChoice, activate_codes
    from mechlab.interventions.codebook_model import CodebookModel
    from mechlab.interventions.codebook_start import new_codebooks, start_codebooks
    from mechlab.interventions.component_edit import ComponentEdit, edit_components
    from mechlab.interventions.component_weights import with_components
    from mechlab.interventions.continuations import continuations
    from mechlab.interventions.feature_edits import FeatureEdit, edit_features
    from mechlab.interventions.path_changes import Receiver
    from mechlab.interventions.splice import splice
    from mechlab.interventions.stand_in import stand_in
    from mechlab.interventions.steering.feature_direction import feature_direction
    from mechlab.interventions.steering.generated_pair import generate_pair
    from mechlab.interventions.steering.parts import CodePart, ComponentPart, FeaturePart, VectorPart
    from mechlab.interventions.steering.span import TokenSpan
    from mechlab.interventions.steering.spec import SteerGate, SteerSpec, SteerStep
    from mechlab.interventions.steering.steer import steer
    from mechlab.interventions.steering.steer_by import steer_by
    from mechlab.interventions.steering.steered_weights import steered_weights
    from mechlab.interventions.steering.units import measured
    from mechlab.interventions.transcoder_set import TranscoderSet
    from mechlab.interventions.wiring import wiring_of
    from mechlab.metrics.causes import labelled_cause, regex_cause, right_before
    from mechlab.metrics.code_index import index_codes
    from mechlab.metrics.code_search import rank_codes
    from mechlab.metrics.concepts import Pattern, Probed, words
    from mechlab.metrics.dashboards import DashboardConfig, dashboards
    from mechlab.metrics.dose_response import Way, Writing, dose_response
    from mechlab.metrics.evaluate import evaluate
    from mechlab.metrics.feature_objects import feature_objects
    from mechlab.metrics.ground_truth import ground_truth
    from mechlab.metrics.portraits import portraits
    from mechlab.metrics.projection_causes import carried_causes
    from mechlab.metrics.prompt_scores import prompt_scores
    from mechlab.metrics.side_effects import side_effects
    from mechlab.metrics.steering_race import Terms, race
    from mechlab.metrics.written_text import judge_texts
    from mechlab.models.language_model import LanguageModel
    from mechlab.models.loaders import load
    from mechlab.models.processing import processed
    from mechlab.store.graph_file import read_graph, write_graph
    from mechlab.store.run import open_run
    from mechlab.training.config import TrainConfig
    from mechlab.training.finetune import finetune
    from mechlab.training.finetune_config import FinetuneConfig
    from mechlab.training.loop import fit
    from mechlab.verbs.steps.channels.stored_edits import open_edits, save_edits
    from mechlab.verbs.steps.codebooks.stored import open_codebook_model
    from mechlab.verbs.steps.directions.control_vectors import open_control_vector, save_control_vector
    from mechlab.verbs.steps.directions.stored import open_directions, open_feature_direction, save_directions
    from mechlab.verbs.steps.features.stored import open_features
    from mechlab.verbs.steps.tracing.intervention_report import intervention_report
    from mechlab.verbs.steps.tracing.transcoders import open_transcoders
    from mechlab.views.attribution_page import attribution_page

__version__ = "0.1.0"

_PLACES = {
    "activations.pairs": ("PairStream",),
    "activations.stream": ("ActivationStream", "StreamConfig"),
    "circuits.attribution.attribution_graph": ("attribution_graph",),
    "circuits.attribution.connections": ("connections",),
    "circuits.attribution.described": ("GraphCard", "TargetName"),
    "circuits.attribution.edge_loadings": ("edge_loadings",),
    "circuits.attribution.exchange": ("described_graph",),
    "circuits.attribution.exchange_json": ("graph_to_json",),
    "circuits.attribution.exchange_reading": ("graph_from_json",),
    "circuits.attribution.feature_circuits": ("CircuitSettings", "feature_circuits", "features_by_influence"),
    "circuits.attribution.frozen_pass": ("frozen_pass",),
    "circuits.attribution.mean_connections": ("mean_connections",),
    "circuits.attribution.mean_paths": ("mean_paths",),
    "circuits.attribution.naming": ("as_graph",),
    "circuits.attribution.path_filters": ("paths_with",),
    "circuits.attribution.path_following": ("followed_paths",),
    "circuits.attribution.path_graph": ("paths_graph",),
    "circuits.attribution.path_search": ("PathSearch", "top_paths"),
    "circuits.attribution.path_sums": ("path_sums",),
    "circuits.attribution.paths": ("summed_over_positions",),
    "circuits.attribution.pruning": ("pruned",),
    "circuits.attribution.qk_attribution": ("qk_attribution",),
    "circuits.attribution.stream_targets": ("stream_targets",),
    "circuits.attribution.targets": ("chosen_targets", "direction_targets", "logit_targets", "token_list_targets"),
    "circuits.attribution.validation": ("EditSettings", "measured_edits"),
    "circuits.attribution.weight_views": (
        "de_embedding",
        "feature_directions",
        "ov_norms",
        "position_de_embedding",
        "pullback",
        "through_head",
    ),
    "circuits.channels.causes": ("ComponentTrial",),
    "circuits.channels.channel_map": ("channel_map",),
    "circuits.channels.ends": ("token_ends",),
    "circuits.channels.projections": ("projections",),
    "circuits.directions.comparing": ("compare_directions",),
    "circuits.directions.direction": ("Direction",),
    "circuits.directions.finding": ("find_direction",),
    "circuits.directions.material": ("DirectionMaterial",),
    "circuits.directions.output_scores": ("OutputScoring", "largest_activations", "largest_in_layer", "output_scores"),
    "circuits.directions.reading": ("examples_of_pairs", "examples_of_texts", "examples_of_tokens"),
    "circuits.effects": ("effects",),
    "circuits.observables.coupling": ("coupling", "coupling_bounds", "couplings"),
    "circuits.observables.debiasing": ("debiased",),
    "circuits.observables.observable": ("Observable",),
    "circuits.observables.ov_patching": ("ov_patching",),
    "circuits.observables.path_beam": ("BeamSearch", "observable_graph", "observable_paths"),
    "circuits.observables.prompt_parts": ("prompt_parts",),
    "circuits.observables.prompt_points": ("prompt_points",),
    "circuits.observables.pull_back": ("head_lengths", "observable_directions"),
    "circuits.observables.pulling": ("NormRules", "StopPoint"),
    "circuits.observables.token_reads": ("token_reads",),
    "circuits.observables.words": ("matching_words", "token_set", "word_difference", "word_set"),
    "circuits.outcomes": ("AttentionDifference", "LogitDifference", "ProbabilityDifference"),
    "circuits.patching.activation_patching": ("activation_patching",),
    "circuits.patching.attribution_patching": ("attribution_patching",),
    "circuits.patching.edge_attribution": ("eap", "eap_ig"),
    "circuits.patching.edge_patching": ("edge_patching",),
    "circuits.patching.faithfulness": ("faithfulness_curve",),
    "circuits.patching.logit_attribution": ("logit_attribution",),
    "circuits.patching.path_patching": ("path_patching",),
    "circuits.patching.selection": ("best_edges", "greedy_edges"),
    "circuits.patching.settings": ("PatchSettings",),
    "corpora.batches": ("RowBatches",),
    "corpora.opening": ("open_corpus",),
    "corpora.row_stream": ("RowStream",),
    "corpora.rows": ("TokenRows", "pack", "split"),
    "corpora.tasks.prompting": ("prompt_pairs",),
    "dictionaries": ("KINDS",),
    "dictionaries.batchtopk": ("BatchTopKConfig", "BatchTopKDictionary"),
    "dictionaries.relu": ("ReluConfig", "ReluDictionary"),
    "dictionaries.topk": ("TopKConfig", "TopKDictionary"),
    "interventions.ablate": ("ablate",),
    "interventions.activate_codes": ("CodeChoice", "activate_codes"),
    "interventions.codebook_model": ("CodebookModel",),
    "interventions.codebook_start": ("new_codebooks", "start_codebooks"),
    "interventions.component_edit": ("ComponentEdit", "edit_components"),
    "interventions.component_weights": ("with_components",),
    "interventions.continuations": ("continuations",),
    "interventions.feature_edits": ("FeatureEdit", "edit_features"),
    "interventions.path_changes": ("Receiver",),
    "interventions.splice": ("splice",),
    "interventions.stand_in": ("stand_in",),
    "interventions.steering.feature_direction": ("feature_direction",),
    "interventions.steering.generated_pair": ("generate_pair",),
    "interventions.steering.parts": ("CodePart", "ComponentPart", "FeaturePart", "VectorPart"),
    "interventions.steering.span": ("TokenSpan",),
    "interventions.steering.spec": ("SteerGate", "SteerSpec", "SteerStep"),
    "interventions.steering.steer": ("steer",),
    "interventions.steering.steer_by": ("steer_by",),
    "interventions.steering.steered_weights": ("steered_weights",),
    "interventions.steering.units": ("measured",),
    "interventions.transcoder_set": ("TranscoderSet",),
    "interventions.wiring": ("wiring_of",),
    "metrics.causes": ("labelled_cause", "regex_cause", "right_before"),
    "metrics.code_index": ("index_codes",),
    "metrics.code_search": ("rank_codes",),
    "metrics.concepts": ("Pattern", "Probed", "words"),
    "metrics.dashboards": ("DashboardConfig", "dashboards"),
    "metrics.dose_response": ("Way", "Writing", "dose_response"),
    "metrics.evaluate": ("evaluate",),
    "metrics.feature_objects": ("feature_objects",),
    "metrics.ground_truth": ("ground_truth",),
    "metrics.portraits": ("portraits",),
    "metrics.projection_causes": ("carried_causes",),
    "metrics.prompt_scores": ("prompt_scores",),
    "metrics.side_effects": ("side_effects",),
    "metrics.steering_race": ("Terms", "race"),
    "metrics.written_text": ("judge_texts",),
    "models.language_model": ("LanguageModel",),
    "models.loaders": ("load",),
    "models.processing": ("processed",),
    "store.graph_file": ("read_graph", "write_graph"),
    "store.run": ("open_run",),
    "training.config": ("TrainConfig",),
    "training.finetune": ("finetune",),
    "training.finetune_config": ("FinetuneConfig",),
    "training.loop": ("fit",),
    "verbs.steps.channels.stored_edits": ("open_edits", "save_edits"),
    "verbs.steps.codebooks.stored": ("open_codebook_model",),
    "verbs.steps.directions.control_vectors": ("open_control_vector", "save_control_vector"),
    "verbs.steps.directions.stored": ("open_directions", "open_feature_direction", "save_directions"),
    "verbs.steps.features.stored": ("open_features",),
    "verbs.steps.tracing.intervention_report": ("intervention_report",),
    "verbs.steps.tracing.transcoders": ("open_transcoders",),
    "views.attribution_page": ("attribution_page",),
}
_MODULE_OF = {name: f"mechlab.{module}" for module, names in _PLACES.items() for name in names}

__all__ = [*sorted(_MODULE_OF), "__version__"]  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    """Return a public name, importing its room now."""
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'mechlab' has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULE_OF[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
