"""The dashboards of a run's features as a run.

1. Open the run's model and text, and refuse a model that is another one, before anything is read.
2. A run that is already there is returned as it is.
3. One pass looks at all features; the rows are made while they are read.
4. Write the table, the page that lists all features, and the pages that show them.
"""

from mechlab.core.progress import Progress
from mechlab.corpora.row_stream import RowStream
from mechlab.corpora.rows import TokenRows
from mechlab.metrics.dashboards import DashboardConfig, dashboards
from mechlab.metrics.feature_table import FeatureTable, refuse_beyond
from mechlab.store.catalog import find_run
from mechlab.store.manifest import Identity
from mechlab.store.run import REPORT_NAME, Run, finished_run, open_run
from mechlab.store.writer import RunWriter
from mechlab.verbs.feature_options import FeatureOptions
from mechlab.verbs.outcome import Outcome
from mechlab.verbs.steps.features.list import feature_metrics, features_shown
from mechlab.verbs.steps.features.page import about_run
from mechlab.verbs.steps.features.planning import plan_looking
from mechlab.verbs.steps.opening import Subject, held_out_rows, open_subject
from mechlab.verbs.steps.parent_run import parent_config, refuse_other_model
from mechlab.verbs.steps.stored import stored_dictionary
from mechlab.views.feature_pages import part_name, render_feature_index, render_feature_part


def feature_outcome(options: FeatureOptions, progress: Progress) -> Outcome:
    """Return what a run found, made now or before, and the features asked for.

    Raises:
        UsageError: the run has no dictionary, there is no such feature, or the text is too short.
        ArtifactError: the model is another one, or a file is not as it was stored.
    """
    parent = find_run(options.run, options.root)
    config = parent_config(options, parent).model_copy(update={"eval_tokens": options.tokens})
    dictionary = stored_dictionary(parent)
    _refuse_unknown(options, dictionary.config.d_sae)
    subject = open_subject(config)
    refuse_other_model(parent, subject)
    if options.dry_run:
        return plan_looking(subject, dictionary.to(subject.model.device))
    identity = feature_identity(parent, subject)
    out = options.out or parent.folder.with_name(f"{parent.folder.name}-features-{identity.run_id()[:8]}")
    if finished_run(out, identity) is not None:
        progress.note(f"this run is already there: {out}")
        return features_shown(options, open_run(out))
    with RunWriter(out, identity) as writer:
        how = DashboardConfig(seed=config.seed)
        rows = rows_to_look_at(subject, progress)
        table = dashboards(subject.model, dictionary.to(subject.model.device), rows, subject.route, how, progress)
        writer.write_features(*table.stored())
        _write_pages(writer, table, parent, subject)
        writer.finish(feature_metrics(table, config.seed))
    return features_shown(options, open_run(out))


def rows_to_look_at(subject: Subject, progress: Progress) -> TokenRows | RowStream:
    """Return the first rows of the subject's text, made while they are read where there is a corpus."""
    config, tokenizer = subject.config, subject.model.tokenizer
    if subject.corpus is None or tokenizer is None:
        return held_out_rows(subject, progress)
    return RowStream(subject.corpus, tokenizer, config.row_length, config.eval_tokens, subject.model.spec.d_vocab)


def feature_identity(parent: Run, subject: Subject) -> Identity:
    """Return what determines the run: the dictionary's run, where it stands, and the text."""
    return Identity(
        kind="features",
        config={
            **subject.config.model_dump(mode="json", exclude={"device", "threads", "tokens"}),
            **subject.place,
        },
        seed=subject.config.seed,
        parents=(parent.id,),
        model=subject.model_record,
        corpus=subject.corpus_record,
    )


def _refuse_unknown(options: FeatureOptions, n_features: int) -> None:
    for feature in options.features:
        refuse_beyond(feature, n_features)


def _write_pages(writer: RunWriter, table: FeatureTable, parent: Run, subject: Subject) -> None:
    about = about_run(writer.identity, parent, subject, table)
    writer.write_text(REPORT_NAME, render_feature_index(table, about))
    for part in range(about.n_parts):
        writer.write_text(part_name(part), render_feature_part(table, about, part))
