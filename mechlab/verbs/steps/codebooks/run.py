"""A model trained further with codebooks, as a run.

1. Load the model, find the sites, open the text; refuse what cannot work before anything is read.
2. A run that is already there is returned as it is.
3. Tokenise; place the codes by k-means, layer by layer, or go on from the last checkpoint.
4. Train model and codes; judge the model on the held-out rows, beside what it was before and what the same training
   makes of it without codebooks.
5. Write the model's folder, its codebooks, the index of its codes on those rows, and the page to browse them; the run
   gets its name when all of it is on the disk.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

from mechlab.core.config import build
from mechlab.core.errors import UsageError
from mechlab.core.progress import Progress
from mechlab.corpora.batches import RowBatches
from mechlab.corpora.rows import TokenRows
from mechlab.interventions.codebook_model import CodebookModel
from mechlab.interventions.codebook_start import new_codebooks, start_codebooks
from mechlab.metrics.code_index import index_codes
from mechlab.metrics.next_token import row_losses
from mechlab.models.route import Route
from mechlab.models.saving import save_model
from mechlab.models.sites import sites_of
from mechlab.store.manifest import Identity
from mechlab.store.run import REPORT_NAME, Run, finished_run, open_run
from mechlab.store.writer import RunWriter
from mechlab.training.course import Watcher
from mechlab.training.finetune import finetune
from mechlab.training.finetune_config import FinetuneConfig
from mechlab.training.state import TrainingState
from mechlab.verbs.codebook_options import CodebookOptions
from mechlab.verbs.steps.codebooks.judging import judged, losses_before, use_of_codes
from mechlab.verbs.steps.codebooks.page import codebook_page
from mechlab.verbs.steps.opening import Subject, held_out_rows, open_subject, training_rows
from mechlab.verbs.subject import ReadingConfig, SubjectConfig

NOT_OF_THE_RESULT = {"out", "device", "threads", "resume", "dry_run", "training"}
OF_CODEBOOKS = ("k", "combine", "similarity", "normalise")


def codebook_run(options: CodebookOptions, progress: Progress) -> Run:
    """Return the finished run; made now, or found where it was made before.

    Raises:
        UsageError: an option does not fit, or the output folder is taken.
        TrainingDiverged: the loss exploded; the last checkpoint is left in place.
    """
    subject = open_codebook_subject(options)
    model = CodebookModel(
        subject.model, new_codebooks(subject.model, subject.route.inputs, like(options), options.seed)
    )
    identity = identity_of(options, subject)
    out = options.out or Path("runs") / f"codebook-{Path(subject.model.name).name}-{identity.run_id()[:8]}"
    done = finished_run(out, identity)
    if done is not None:
        progress.note(f"this run is already there: {out}")
        return done
    with RunWriter(out, identity, resume=options.resume) as writer:
        held_out, rows = held_out_rows(subject, progress), training_rows(subject, progress)
        before = losses_before(model, held_out)
        _train(options, model, rows, writer, progress)
        if options.control and options.train == "all":
            before["finetuned"] = row_losses(_without_codebooks(options, rows, progress), held_out)
        index = index_codes(model, held_out, progress)
        metrics = {**judged(model, held_out, before, options.seed), **use_of_codes(index)}
        writer.write_codes(index.columns(), index.facts())
        found = (index, held_out, metrics)
        writer.write_text(REPORT_NAME, codebook_page(options, subject, identity, found, progress))
        writer.write_model(lambda folder: save_model(subject.model, folder))
        writer.write_codebooks(
            {site: book.config.model_dump(mode="json") for site, book in model.codebooks.items()},
            {site: book.state_dict() for site, book in model.codebooks.items()},
        )
        writer.finish(metrics)
    return open_run(out)


def open_codebook_subject(options: CodebookOptions) -> Subject:
    """Return model, text and the sites that get a codebook, in the order of the forward pass.

    Raises:
        UsageError: the model, a site or the corpus is unknown, or there is too little text for a step.
    """
    shared = {name: getattr(options, name) for name in ReadingConfig.model_fields}
    subject = open_subject(SubjectConfig(**shared, site="embed"))  # its sites follow from what the model has
    sites = sites_of(options.sites, subject.model.spec)
    return replace(subject, route=Route(inputs=sites))


def finetune_config(options: CodebookOptions) -> FinetuneConfig:
    """Return the loop's config.

    Raises:
        UsageError: there are too few tokens for a step.
    """
    per_step = options.batch_rows * options.row_length
    if options.tokens < per_step:
        remedy = f"A step takes {per_step} tokens; give more --tokens or fewer --batch-rows."
        raise UsageError("too few tokens for one step", value=options.tokens, remedy=remedy)
    given = {"lr": options.lr, "train": options.train, "checkpoint_every_steps": options.checkpoint_every}
    return build(FinetuneConfig, {**given, **options.training, "n_steps": options.tokens // per_step})


def identity_of(options: CodebookOptions, subject: Subject) -> Identity:
    """Return what determines the run: every option, default or given, the model and the text; not where it is put."""
    plain = options.model_dump(mode="json", exclude=NOT_OF_THE_RESULT)
    loop = finetune_config(options).model_dump(mode="json")
    return Identity(
        kind="train codebook",
        config={**plain, "sites": ",".join(map(str, subject.route.inputs)), "training": loop},
        seed=options.seed,
        model=subject.model_record,
        corpus=subject.corpus_record,
    )


def like(options: CodebookOptions) -> dict[str, Any]:
    """Return the options of every codebook but for its width."""
    plain = {name: getattr(options, name) for name in OF_CODEBOOKS}
    return {**plain, "n_codes": options.codes, "n_groups": options.groups}


def _train(
    options: CodebookOptions, model: CodebookModel, rows: TokenRows, writer: RunWriter, progress: Progress
) -> None:
    found, config = writer.resumed_from, finetune_config(options)
    if found is None and options.start == "kmeans":
        n_rows = max(1, options.start_tokens // options.row_length)
        start_codebooks(model, rows.tokens[:n_rows].long(), seed=options.seed, progress=progress)
    if found is not None:
        progress.note(f"resuming after step {found.step}")
    watcher = Watcher(
        progress, writer.log, lambda step, state: writer.save_checkpoint(step, state.tensors, state.numbers)
    )
    resume = None if found is None else TrainingState(found.tensors, found.numbers)
    finetune(model, RowBatches.shuffled(rows, options.batch_rows, options.seed), config, watcher, resume, options.seed)


def _without_codebooks(options: CodebookOptions, rows: TokenRows, progress: Progress) -> CodebookModel:
    """Return the model trained as long on the same batches with nothing in its way."""
    model = CodebookModel(open_codebook_subject(options).model, {})
    finetune(
        model, RowBatches.shuffled(rows, options.batch_rows, options.seed), finetune_config(options), Watcher(progress)
    )
    return model
