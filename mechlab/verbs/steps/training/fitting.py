"""Fit a dictionary inside a run that is being written: from its last checkpoint, or from nothing."""

import math
from collections.abc import Sequence
from typing import Any

from mechlab.activations.pairs import PairStream
from mechlab.activations.shared_batches import Reader
from mechlab.activations.stream import ActivationStream, StreamConfig
from mechlab.core.config import build, set_elsewhere
from mechlab.core.errors import ConfigError
from mechlab.core.progress import Progress
from mechlab.corpora.rows import TokenRows
from mechlab.dictionaries import KINDS
from mechlab.dictionaries.dictionary import Dictionary, DictionaryConfig
from mechlab.dictionaries.saelens_format import to_saelens
from mechlab.models.route import Route
from mechlab.store.writer import RunWriter
from mechlab.training.config import TrainConfig
from mechlab.training.course import Course, Watcher
from mechlab.training.loop import fit
from mechlab.training.parallel.crew import ONE, Crew
from mechlab.training.run import TrainingRun
from mechlab.training.state import TrainingState
from mechlab.verbs.steps.opening import Subject
from mechlab.verbs.steps.training.together import Keeper, resumption, saver, sharing
from mechlab.verbs.train_options import TrainOptions

LONGEST_DEAD_WINDOW = 500_000


def dictionary_config(
    config: TrainOptions, widths_in: Sequence[int], widths_out: Sequence[int] = ()
) -> DictionaryConfig:
    """Return the kind's own config, of which the sites decide a part.

    Args:
        config: options of a run.
        widths_in: of each site that is read.
        widths_out: of each site that is rebuilt; none where a site rebuilds itself.

    Raises:
        ConfigError: a value does not fit, for example k above the number of features, or one is given that the sites
            or `features` set.
        UsageError: the kind cannot be trained on such sites.
    """
    kind = KINDS[config.kind].Config
    for key in sorted(set_elsewhere(kind) & config.dictionary.keys()):
        remedy = "The site sets the widths, --features the size."
        raise ConfigError("dictionary's width is not an option", value=key, remedy=remedy)
    given = {**kind.keys_of_sites(widths_in, widths_out), "d_sae": config.features}
    return build(kind, {**given, **config.dictionary})


def training_config(config: TrainOptions) -> TrainConfig:
    """Return the training loop's config."""
    batch_size = min(config.batch_size, config.tokens)
    given: dict[str, Any] = {"n_tokens": config.tokens, "batch_size": batch_size, "precision": config.precision}
    lr = usual_lr(config.features) if config.lr is None else config.lr
    window = min(LONGEST_DEAD_WINDOW, max(1, config.tokens // 10))  # a short run must see who is dead in time to revive
    usual = {"checkpoint_every_steps": config.checkpoint_every, "lr": lr, "dead_after_tokens": window}
    return build(TrainConfig, {**usual, **given, **config.training})


def usual_lr(features: int) -> float:
    """Return the peak learning rate for a number of features: 1e-3 at 2,048, 3.5e-4 at 16,384.

    It falls with the square root of the width, as in Gao et al. 2024, "Scaling and evaluating sparse autoencoders",
    section A.3; the constant is ours, for runs of a few million tokens.
    """
    return 1e-3 * math.sqrt(2048 / features)


def stream_config(config: TrainOptions) -> StreamConfig:
    """Return how the activations of a run are mixed."""
    training = training_config(config)
    return StreamConfig(
        batch_size=training.batch_size,
        pool_size=max(config.pool, training.batch_size),
        n_batches=training.n_steps,
        seed=config.seed,
    )


def new_stream(
    config: TrainOptions, subject: Subject, rows: TokenRows, crew: Crew = ONE
) -> ActivationStream | PairStream:
    """Return the shuffled activations a dictionary is trained on, with their targets where these are others."""
    mix = stream_config(config)
    if subject.route.targets:
        return PairStream(subject.model, rows, subject.route, mix, sharing(crew))
    return ActivationStream(subject.model, rows, subject.route.inputs, mix, sharing(crew))


def new_dictionary(config: TrainOptions, widths_in: Sequence[int], widths_out: Sequence[int] = ()) -> Dictionary:
    """Return the dictionary as it is before its first step."""
    seed = config.seed if config.init_seed is None else config.init_seed
    return KINDS[config.kind](dictionary_config(config, widths_in, widths_out), seed=seed)


def course_in_run(config: TrainOptions, subject: Subject, source: Reader, writer: RunWriter) -> Course:
    """Return the course of a dictionary that is trained beside others, from its run's checkpoint if there is one."""
    dictionary = new_dictionary(config, source.widths_in, source.widths_out).to(subject.model.device)
    found = writer.resumed_from
    resume = None if found is None else TrainingState(found.tensors, found.numbers)
    watcher = Watcher(log=writer.log, save=saver(writer, ONE, dictionary))
    return Course(TrainingRun(dictionary, source, training_config(config)), watcher, resume)


def fit_in_run(
    config: TrainOptions, subject: Subject, rows: TokenRows, writer: Keeper, progress: Progress, crew: Crew = ONE
) -> Dictionary:
    """Return the trained dictionary, after writing it, its log and its checkpoints into the run."""
    stream = new_stream(config, subject, rows, crew)
    dictionary = crew.part(new_dictionary(config, stream.widths_in, stream.widths_out)).to(subject.model.device)
    found = writer.resumed_from
    resume = None
    if found is not None:
        progress.note(resumption(found, crew))
        resume = crew.part_of_state(TrainingState(found.tensors, found.numbers), dictionary)
    watcher = Watcher(progress, writer.log, saver(writer, crew, dictionary))
    fit(dictionary, stream, training_config(config), watcher, resume, crew)
    dictionary = crew.joined(dictionary).to(subject.model.device).eval()
    crew.leave()
    write_fitted(dictionary, subject, writer)
    return dictionary


def write_fitted(dictionary: Dictionary, subject: Subject, writer: Keeper) -> None:
    """Write a trained dictionary's SAELens folder into its run."""
    writer.write_dictionary(*to_saelens(dictionary, saelens_metadata(subject)))


def saelens_metadata(subject: Subject) -> dict[str, Any]:
    """Return what SAELens's `cfg.json` says of where a dictionary belongs."""
    return {
        "model_name": subject.model.name,
        **_hook_names(subject.route),
        "context_size": subject.config.row_length,
        "prepend_bos": subject.model.bos_id is not None,
        "dataset_path": subject.corpus_record.name,
        "weight_processing": list(subject.model.processing),
    }


def _hook_names(route: Route) -> dict[str, Any]:
    names = {"hook_name": ",".join(site.hook_name for site in route.inputs), "hook_head_index": route.inputs[0].head}
    if route.targets:
        names["hook_name_out"] = ",".join(site.hook_name for site in route.targets)
        names["hook_head_index_out"] = route.targets[0].head
    return names
